"""BentoML: bentoml serve bentoml_service:Flights, with MODEL naming the pipeline."""

import os

import bentoml
import joblib
import numpy as np
import pandas as pd


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Flights:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])
        self.names = list(self.model.feature_names_in_)

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(rows[self.names])[:, 1]
