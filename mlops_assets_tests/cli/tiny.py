"""The diabetes pipeline as a module that MLOPS_PIPELINES can name."""

import dataclasses
import os
from pathlib import Path

from mlops_assets_tests.diabetes import declare

pipeline = dataclasses.replace(
    declare(Path(os.environ.get("TINY_CSV", "not-set"))),
    approval=os.environ.get("TINY_APPROVAL", "auto"),
)
