"""The code location of these tests: one pipeline, whose files lie in the bucket of the settings.

Here: its assembly from the environment alone, as in the deployment. Not here: that environment
(world.py).
"""

from mlops_assets.definitions import build_defs, build_resources
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets.settings import Settings
from mlops_assets_tests.diabetes import declare

_settings = Settings.load()
_made = build_resources(_settings)
defs = build_defs(
    _settings,
    pipelines=[declare(f"s3://{_settings.bucket}/incoming/diabetes")],
    resources={
        # As made, but for the 5 s between two looks at a job that here takes seconds.
        "training_jobs": PipesSageMakerTrainingClient(
            _made["sagemaker"],
            _made["store"].open,
            _made["store"].bucket,
            _made["placement"],
            poll_interval=0.5,
        )
    },
)
