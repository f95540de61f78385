"""Which servers are compared, how each is started and what it is sent.

Belongs here: one `Peer` each, the project's own server among them. Does not: the servers themselves
(peers/), or environments (environments.py). Every server gets one process for requests, one thread
of computation and the same core.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from benchmarks.serving import bodies
from benchmarks.serving.bodies import Form

Group = Literal["ours", "pandas", "frameworks", "encoded", "core"]
GUNICORN = "{bin}/gunicorn -b 127.0.0.1:{port} --keep-alive 60 --workers 1"
UVICORN = "{bin}/uvicorn --host 127.0.0.1 --port {port} --log-level warning --no-access-log"
SERVE = "{bin}/python -m mlops_assets.containers serve"


@dataclass(frozen=True)
class Peer:
    """A server under test.

    `command`, `prepare` and `environment` may name {bin} (of its environment), {port}, {other} and
    {third} (more free ports), {artifact}, {pipeline} (scikit-learn's, pickled by this environment's
    versions), {work} (a folder of its own) and {here} (peers/). `environment_name` is a file in
    peers/; None: the project's own environment. `one` and `many` are the forms of a request for a
    row and for 1,000; `extra`, by label, more forms for 1,000 rows.
    """

    name: str
    title: str
    group: Group
    command: str
    environment_name: str | None
    one: Form = bodies.raw_csv
    many: Form = bodies.raw_csv
    extra: dict[str, Form] = field(default_factory=dict)
    json: Form | None = None
    ping: str = "/ping"
    path: str = "/invocations"
    prepare: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    pipeline: bool = False

    @property
    def takes_csv(self) -> bool:
        """Whether its batches are CSV, not JSON."""
        return self.many in (bodies.raw_csv, bodies.csv_with_header, bodies.encoded_csv)


def _ours(name: str, title: str, front: str) -> Peer:
    return Peer(
        name,
        title,
        "ours",
        SERVE,
        None,
        json=bodies.instances,
        extra={"Arrow": bodies.arrow, "npy": bodies.npy} if front == "protocol" else {},
        environment={
            "SAGEMAKER_BASE_DIR": "{base}",
            "SAGEMAKER_BIND_TO_PORT": "{port}",
            "MLOPS_BIND_HOST": "127.0.0.1",
            "MLOPS_FRONT": front,
            "PYTHONPATH": "{root}",
        },
    )


def _core(name: str, title: str, command: str) -> Peer:
    environment = {"MODEL": "{artifact}", "PYTHONPATH": "{root}:{here}"}
    return Peer(name, title, "core", command, None, environment=environment)


PEERS = (
    _ours("ours", "this project", "protocol"),
    _ours("ours_asgi", "this project, ASGI on uvicorn", "asgi"),
    _core("core_fastapi", "same core in FastAPI", UVICORN + " core_fastapi:app"),
    _core(
        "core_flask",
        "same core in Flask + gunicorn",
        GUNICORN + " -k gthread --threads 2 core_flask:app",
    ),
    Peer(
        "xgboost_container",
        "XGBoost container, replica (encoded)",
        "encoded",
        GUNICORN + " -k gevent xgboost_container:app",
        "xgboost_container",
        one=bodies.encoded_csv,
        many=bodies.encoded_csv,
        environment={"MODEL": "{artifact}/model.ubj", "PYTHONPATH": "{here}"},
    ),
    Peer(
        "mlserver_xgboost",
        "MLServer xgboost (encoded)",
        "encoded",
        "{bin}/mlserver start {work}",
        "mlserver_xgboost",
        one=bodies.v2_matrix,
        many=bodies.v2_matrix,
        ping="/v2/health/ready",
        path="/v2/models/flights/infer",
        prepare="mlserver_settings.py mlserver_xgboost.XGBoostModel {artifact}/model.ubj {work}",
        environment={
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{other}",
            "MLSERVER_METRICS_PORT": "{third}",
        },
    ),
    Peer(
        "mlserver_sklearn",
        "MLServer sklearn",
        "frameworks",
        "{bin}/mlserver start {work}",
        "mlserver_sklearn",
        one=bodies.v2_columns,
        many=bodies.v2_columns,
        ping="/v2/health/ready",
        path="/v2/models/flights/infer",
        prepare="mlserver_settings.py mlserver_sklearn.SKLearnModel {pipeline} {work}",
        pipeline=True,
        environment={
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{other}",
            "MLSERVER_METRICS_PORT": "{third}",
        },
    ),
    Peer(
        "kserve",
        "KServe",
        "frameworks",
        "{bin}/python {here}/kserve_model.py {port}",
        "kserve",
        one=bodies.instances,
        many=bodies.instances,
        ping="/v1/models/flights",
        path="/v1/models/flights:predict",
        environment={"MODEL": "{artifact}"},
    ),
    Peer(
        "litserve",
        "LitServe",
        "frameworks",
        "{bin}/python {here}/litserve_api.py {port}",
        "litserve",
        one=bodies.instances,
        many=bodies.instances,
        ping="/health",
        path="/predict",
        environment={"MODEL": "{artifact}"},
    ),
    Peer(
        "bentoml",
        "BentoML",
        "frameworks",
        "{bin}/bentoml serve bentoml_service:Flights --host 127.0.0.1 --port {port}"
        " --working-dir {here}",
        "bentoml",
        one=bodies.named_rows,
        many=bodies.named_rows,
        ping="/readyz",
        path="/predict",
        environment={
            "MODEL": "{artifact}",
            "PYTHONPATH": "{here}",
            "BENTOML_HOME": "{work}",
            "BENTOML_DO_NOT_TRACK": "True",
        },
    ),
    Peer(
        "mlflow",
        "MLflow",
        "pandas",
        "{bin}/mlflow models serve -m {work}/model -h 127.0.0.1 -p {port} --env-manager local"
        " --workers 1",
        "mlflow",
        one=bodies.csv_with_header,
        many=bodies.csv_with_header,
        json=bodies.dataframe_split,
        prepare="mlflow_pyfunc.py {artifact} {work}/model",
        environment={"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": "{bin}:{path}"},
    ),
    Peer(
        "inference_toolkit",
        "inference toolkit + multi-model-server",
        "pandas",
        "{bin}/python {here}/inference_toolkit.py {port} {work}",
        "inference_toolkit",
        environment={"MODEL": "{artifact}"},
    ),
    Peer(
        "fastapi_pandas",
        "FastAPI + pandas",
        "pandas",
        UVICORN + " fastapi_pandas:app",
        "fastapi_pandas",
        json=bodies.instances,
        environment={"MODEL": "{artifact}", "PYTHONPATH": "{here}"},
    ),
    Peer(
        "flask_pandas",
        "Flask + gunicorn + pandas",
        "pandas",
        GUNICORN + " -k gevent flask_pandas:app",
        "flask_pandas",
        environment={"MODEL": "{artifact}", "PYTHONPATH": "{here}"},
    ),
)
