"""The declared pipelines, one package each. ``ALL`` is resolved by ``mlops_assets.definitions``."""
