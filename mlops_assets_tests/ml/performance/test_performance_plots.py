"""The plots of served quality are pictures, also of nothing."""

import pytest

from mlops_assets.ml.performance import plots
from mlops_assets.ml.performance.intervals import Measured
from mlops_assets.ml.performance.staleness import AgeQuality

PNG = b"\x89PNG"
FIGURE = Measured(0.5, 0.48, 0.52)


@pytest.mark.parametrize("partitions", [0, 1, 40])
def test_history_is_drawn_with_and_without_labels(partitions):
    names = [f"2013-{n:02}" for n in range(partitions)]
    for realised in ({}, dict.fromkeys(names, FIGURE)):
        drawn = plots.history(
            "auc",
            realised,
            estimated=dict.fromkeys(names, 0.5),
            held_out=dict.fromkeys(names, 0.51),
            failing=names[:1],
        )
        assert drawn.startswith(PNG)


def test_ages_are_drawn_with_and_without_anything_to_compare():
    assert plots.ages([], "auc").startswith(PNG)
    young = AgeQuality(1, 5, FIGURE, None)
    assert plots.ages([young], "auc").startswith(PNG)
    older = AgeQuality(2, 4, FIGURE, Measured(0.01, 0.0, 0.02))
    assert plots.ages([young, older], "auc").startswith(PNG)
