"""KServe's Python server with a custom model, protocol v1: python kserve_model.py PORT, with MODEL
naming the artifact."""

import os
import sys
from pathlib import Path
from typing import Any

import kserve
import pandas as pd
from pipeline import build


class Flights(kserve.Model):
    def __init__(self) -> None:
        super().__init__("flights")
        self.model = build(Path(os.environ["MODEL"]))
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
