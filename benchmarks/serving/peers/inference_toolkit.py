"""SageMaker's inference toolkit on multi-model-server: the user's module with model_fn and so on,
and the start as the toolkit's own, but with its configuration in WORK instead of /etc.

python inference_toolkit.py PORT WORK, with MODEL naming the artifact.
"""

import io
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import sagemaker_inference
from pipeline import build

CONFIG = """enable_envvars_config=true
decode_input_request=false
load_models=ALL
default_workers_per_model=1
default_service_handler=sagemaker_inference.default_handler_service
inference_address=http://127.0.0.1:{port}
management_address=http://127.0.0.1:{port}
vmargs=-XX:-UseContainerSupport
max_request_size=26214400
"""


def model_fn(directory: str) -> Any:
    return build(Path(os.environ["MODEL"]))


def input_fn(text: str, content_type: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), header=None)


def predict_fn(rows: pd.DataFrame, model: Any) -> Any:
    rows.columns = model.feature_names_in_
    return model.predict_proba(rows)[:, 1]


def start(port: str, work: Path) -> None:
    """Become multi-model-server."""
    store = work / "store"
    (store / "model").mkdir(parents=True, exist_ok=True)
    config = work / "mms.properties"
    config.write_text(CONFIG.format(port=port))
    program = str(Path(sys.executable).with_name("multi-model-server"))
    os.environ |= {
        "SAGEMAKER_PROGRAM": "inference_toolkit.py",
        "PYTHONPATH": str(Path(__file__).parent),
        "SAGEMAKER_BASE_DIR": str(work),
        "TMPDIR": str(work),
    }
    os.chdir(work)
    logging = Path(sagemaker_inference.__file__).with_name("etc") / "log4j2.xml"
    arguments = ["--start", "--foreground", "--model-store", str(store), "--models", "model=model"]
    arguments += ["--mms-config", str(config), "--log-config", str(logging)]
    os.execv(program, [program, *arguments])  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    start(sys.argv[1], Path(sys.argv[2]))
