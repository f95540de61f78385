"""The process that Spark's Python workers are forked from, with what they need imported once.

Here: nothing else. A worker that imports pandas, pandera and the platform for itself takes seconds
of a core before its first row.
"""

import os
from importlib import import_module

import mlops_assets.spark.clean_job
import mlops_assets.spark.features_job  # noqa: F401
from mlops_assets.spark.session import PIPELINE_MODULE

if __name__ == "__main__":
    # Not above: only Spark starts this, and only its environment has pyspark.
    from pyspark.daemon import manager

    if module := os.environ.get(PIPELINE_MODULE):
        import_module(module)
    manager()
