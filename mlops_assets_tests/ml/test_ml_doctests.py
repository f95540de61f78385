"""The examples in the docstrings of `ml` and `checks` run and say what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "mlops_assets.checks.rows_record",
    "mlops_assets.ml.baselines",
    "mlops_assets.ml.compare",
    "mlops_assets.ml.metrics",
    "mlops_assets.ml.point_in_time",
    "mlops_assets.ml.splitting",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
