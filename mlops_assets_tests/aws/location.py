"""The code location of these tests: one pipeline, whose files lie in the bucket of the settings.

Here: its assembly from the environment alone, as in the deployment. Not here: that environment
(world.py).
"""

from mlops_assets.definitions import build_defs
from mlops_assets.settings import Settings
from mlops_assets_tests.diabetes import declare

SOURCE = "incoming/diabetes"

_settings = Settings.load()
defs = build_defs(_settings, pipelines=[declare(f"s3://{_settings.bucket}/{SOURCE}")])
