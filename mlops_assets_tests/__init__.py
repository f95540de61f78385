"""The tests, laid out as `mlops_assets` is."""
