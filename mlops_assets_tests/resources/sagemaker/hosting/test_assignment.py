"""A caller's side in an A/B test: by its key alone, fair, and never changed without a reason."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.resources.sagemaker.hosting.assignment import assign

KEYS = [f"caller-{n}" for n in range(4000)]
WEIGHTS = st.dictionaries(
    st.sampled_from(["live", "challenger", "third"]), st.floats(0.05, 10), min_size=2
)


@given(WEIGHTS)
@settings(max_examples=30)  # of 4,000 callers each
def test_each_variant_gets_its_share_of_the_callers(weights: dict[str, float]) -> None:
    """Guards against a test whose sides are not what was declared (five standard deviations)."""
    counts = Counter(assign(key, weights) for key in KEYS)
    for variant, weight in weights.items():
        share = weight / sum(weights.values())
        spread = 5 * math.sqrt(share * (1 - share) * len(KEYS))
        assert abs(counts[variant] - share * len(KEYS)) <= spread + 1


@given(WEIGHTS, st.floats(1.01, 20))
def test_raising_a_share_moves_callers_into_it_only(
    weights: dict[str, float], factor: float
) -> None:
    """Guards against callers that change sides while a test is widened."""
    raised = next(iter(weights))
    more = {**weights, raised: weights[raised] * factor}
    for key in KEYS[:300]:
        before, after = assign(key, weights), assign(key, more)
        assert after in (before, raised)


@given(st.text())
def test_a_caller_stays_where_it_is(key: str) -> None:
    weights = {"live": 0.7, "challenger": 0.3}
    assert assign(key, weights) == assign(key, dict(reversed(weights.items())))


def test_nobody_is_sent_where_there_is_no_weight() -> None:
    assert {assign(key, {"live": 1.0, "challenger": 0.0}) for key in KEYS} == {"live"}


@pytest.mark.parametrize("weights", [{}, {"live": 0.0}, {"live": -1.0}, {"live": float("nan")}])
def test_weights_that_say_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weight"):
        assign("a caller", weights)
