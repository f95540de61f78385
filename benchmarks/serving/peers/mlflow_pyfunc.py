"""MLflow: save the pipeline as `mlflow models serve` wants it. python mlflow_pyfunc.py MODEL
DIRECTORY."""

import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        joblib.load(sys.argv[1]),
        sys.argv[2],
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[],
        serialization_format="cloudpickle",
    )
