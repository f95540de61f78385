"""LitServe: python litserve_api.py PORT, with MODEL naming the artifact."""

import os
import sys
from pathlib import Path
from typing import Any

import litserve
import pandas as pd
from pipeline import build


class Flights(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = build(Path(os.environ["MODEL"]))
        self.names = list(self.model.feature_names_in_)

    def decode_request(self, request: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(request["instances"], columns=self.names)

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.model.predict_proba(rows)[:, 1]

    def encode_response(self, output: Any) -> dict[str, list[float]]:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Flights(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        generate_client_file=False,
        num_api_servers=1,
        log_level="warning",
    )
