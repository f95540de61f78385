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
