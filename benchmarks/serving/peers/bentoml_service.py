"""BentoML: bentoml serve bentoml_service:Flights, with MODEL naming the artifact."""

import os
from pathlib import Path

import bentoml
import numpy as np
import pandas as pd
from pipeline import build


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Flights:
    def __init__(self) -> None:
        self.model = build(Path(os.environ["MODEL"]))
        self.names = list(self.model.feature_names_in_)

    @bentoml.api
    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(rows[self.names])[:, 1]
