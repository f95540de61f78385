"""Requests are dealt out by weight, exactly, whatever the weights are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.sagemaker_local.deployment.traffic import Dealer

weights = st.lists(st.floats(0, 100), min_size=1, max_size=6).filter(lambda found: max(found) > 0.1)


@given(weights, st.integers(1, 400))
def test_every_candidate_gets_its_share_of_any_number_of_requests(given_weights, n):
    """A canary of 10 % gets one of ten requests, not ten of the first hundred and then none."""
    candidates = [[weight] for weight in given_weights]
    dealer = Dealer[list[float]](lambda candidate: candidate[0])
    dealt = [dealer.deal(candidates) for _ in range(n)]
    for candidate in candidates:
        exact = n * candidate[0] / sum(given_weights)
        assert abs(sum(found is candidate for found in dealt) - exact) < len(candidates)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5])
def test_a_share_is_spread_evenly(share):
    """Ten requests to the canary in a row would be a burst that its warm-up cannot take."""
    sides = [("old", 1 - share), ("new", share)]
    dealer = Dealer[tuple[str, float]](lambda side: side[1])
    turns = [n for n in range(10_000) if dealer.deal(sides)[0] == "new"]
    assert len(turns) == pytest.approx(10_000 * share, abs=1)
    gaps = {later - sooner for sooner, later in itertools.pairwise(turns)}
    assert max(gaps) - min(gaps) <= 1


def test_nothing_goes_to_a_weight_of_zero():
    """A variant that is switched off is off."""
    sides = [("off", 0.0), ("on", 1.0), ("also", 2.0)]
    dealer = Dealer[tuple[str, float]](lambda side: side[1])
    assert {dealer.deal(sides)[0] for _ in range(100)} == {"on", "also"}
