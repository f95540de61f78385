"""What every test can rely on: no settings of the user's shell, no wall-clock deadline."""

import os

from hypothesis import settings

for name in [n for n in os.environ if n.startswith("MLOPS_") or n == "DAGSTER_HOME"]:
    del os.environ[name]

# A busy machine is no failure; in CI the examples are the same each time.
settings.register_profile("mlops", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mlops")
