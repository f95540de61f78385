"""MLflow: save the pipeline as `mlflow models serve` wants it. python mlflow_pyfunc.py ARTIFACT
DIRECTORY."""

import sys
from pathlib import Path

import mlflow.sklearn
from pipeline import build

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        build(Path(sys.argv[1])),
        sys.argv[2],
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
        serialization_format="cloudpickle",
    )
