"""What every test can rely on: no settings of the user's shell, no wall-clock deadline."""

import os
import signal

from hypothesis import settings

for name in [n for n in os.environ if n.startswith("MLOPS_") or n == "DAGSTER_HOME"]:
    del os.environ[name]

# Ignored where the tests are started in the background (`nohup … &`). Dagster gives SIGTERM what
# SIGINT has: what a test then started could not be stopped (Dagster waits a minute for its tails).
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure; in CI the examples are the same each time.
settings.register_profile("mlops", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mlops")


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
