"""The parcels with captured answers, as a module that MLOPS_PIPELINES can name."""

import dataclasses

from mlops_assets_tests.assets.monitoring.answered_parcels import declare

pipeline = dataclasses.replace(declare(), personal=("depot",))
