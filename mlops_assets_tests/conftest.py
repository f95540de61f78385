"""What every test can rely on: no settings of the user's shell, no wall-clock deadline.

And what is collected of this folder (test modules, no doctests), in which order.
"""

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Generator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import settings

for name in [n for n in os.environ if n.startswith("MLOPS_") or n == "DAGSTER_HOME"]:
    del os.environ[name]
# Idle threads of OpenMP would spin, and take the cores from the other workers.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# MLflow takes seconds to make its tables: they are made once for all homes of a worker's tests.
_mlflow = tempfile.TemporaryDirectory(prefix="mlflow-", ignore_cleanup_errors=True)
os.environ["MLOPS_TRACKING_URI"] = f"sqlite:///{_mlflow.name}/mlflow.db"

# Ignored where the tests are started in the background (`nohup … &`). Dagster gives SIGTERM what
# SIGINT has: what a test then started could not be stopped (Dagster waits a minute for its tails).
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure; in CI the examples are the same each time.
settings.register_profile("mlops", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mlops")


def _read_revisions_once() -> None:
    """Every instance of Dagster reads all revisions of its tables anew, for their number: that was
    half of the time that it takes to make one, of which tests make thousands."""
    read, found = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place not in found:
            found[place] = read(config)
        return found[place]

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]


_read_revisions_once()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported for the tests lives as long as they: it is not looked through for garbage.

    That took a fifth of the collection's time in each worker, and a tenth of the tests'.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """No doctests: looking for them would import every helper, in every worker (moto, models)."""
    found = yield
    return [each for each in found if type(each) is pytest.Module]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow modules first: at the end, short ones keep all workers busy."""

    def haste(item: pytest.Item) -> int:
        marks = [item.get_closest_marker(name) for name in ("slow", "integration")]
        return next((rank for rank, mark in enumerate(marks) if mark), len(marks))

    first: dict[str, int] = {}
    for item in items:
        module = item.nodeid.partition("::")[0]
        first[module] = min(haste(item), first.get(module, 9))
    items.sort(key=lambda item: first[item.nodeid.partition("::")[0]])


def pytest_runtest_setup() -> None:
    """Forget the storage of an instance that is gone.

    Dagster keeps the storage of the instance that was entered last; where contexts are left in
    another order than they were entered (a sensor's, when it is collected), that of a dead one
    comes back, and every later Definitions fails with "undefined DagsterInstance weakref".
    """
    from dagster._core.storage.defs_state.base import _current_storage

    storage = _current_storage.get()
    kept = getattr(storage, "_instance_weakref", None)
    if kept is not None and kept() is None:
        _current_storage.set(None)


# What keeps clients of AWS, or what they answered, as long as the process lives.
_KEEP = (
    ("mlops_assets.resources.records", "_opened"),
    ("mlops_assets.resources.ingestion.unloading", "_opened"),
    ("mlops_assets.resources.ingestion.glue_partitions", "column_type"),
    ("mlops_assets.resources.lake.resource", "_opened"),
)


@pytest.fixture(scope="module", autouse=True)
def _no_client_of_another_module() -> None:
    """Forget clients of a server that is gone, or of another test's, and boto3's keys for it."""
    for name, keeper in _KEEP:
        if name in sys.modules:
            getattr(sys.modules[name], keeper).cache_clear()
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None
