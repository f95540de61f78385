"""The captured parcels as a module that MLOPS_PIPELINES can name."""

from mlops_assets_tests.assets.monitoring.captured.captured_parcels import declare

pipeline = declare()
