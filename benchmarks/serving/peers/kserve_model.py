"""KServe's Python server with a custom model, protocol v1: python kserve_model.py PORT, with MODEL
naming the pipeline."""

import os
import sys
from typing import Any

import joblib
import kserve
import pandas as pd


class Flights(kserve.Model):
    def __init__(self) -> None:
        super().__init__("flights")
        self.model = joblib.load(os.environ["MODEL"])
        self.names = list(self.model.feature_names_in_)
        self.ready = True

    def predict(self, payload: dict[str, Any], headers: Any = None, **rest: Any) -> dict[str, Any]:
        rows = pd.DataFrame(payload["instances"], columns=self.names)
        return {"predictions": self.model.predict_proba(rows)[:, 1].tolist()}


if __name__ == "__main__":
    server = kserve.ModelServer(
        http_port=int(sys.argv[1]), enable_grpc=False, workers=1, enable_latency_logging=False
    )
    server.start([Flights()])
