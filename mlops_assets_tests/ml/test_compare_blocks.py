"""Champion against challenger where rows of a day stand and fall together."""

import numpy as np
import pytest

from mlops_assets.ml.compare import challenger_wins, paired_bootstrap

DAYS, ROWS, TRIALS = 20, 150, 40


def trial(seed: int, gain: float = 0.0) -> tuple[np.ndarray, ...]:
    """Labels, two models' answers and days; each day favours one of the two by chance."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(DAYS), ROWS)
    truth = (rng.random(len(days)) < 0.5).astype(float)
    favour = rng.normal(gain, 0.08, DAYS)[days]
    right = np.clip(0.65 + np.column_stack([favour, -favour]) / 2, 0.05, 0.95)
    new, old = np.where(truth == 1, right.T, 1 - right.T)
    return truth, new, old, days


def wins(seed: int, *, by_day: bool, gain: float = 0.0) -> bool:
    truth, new, old, days = trial(seed, gain)
    found = paired_bootstrap("brier", truth, new, old, repeats=200, blocks=days if by_day else None)
    return challenger_wins(found, "brier")


def test_a_few_lucky_days_do_not_make_a_challenger_win() -> None:
    """By rows, every second of two equal models "wins" by chance; by days, hardly one does."""
    by_day = sum(wins(seed, by_day=True) for seed in range(TRIALS))
    by_row = sum(wins(seed, by_day=False) for seed in range(TRIALS))
    assert by_day <= 0.15 * TRIALS
    assert by_row >= 0.3 * TRIALS, "the days are no longer correlated: the test proves nothing"


def test_a_challenger_that_is_better_on_most_days_wins() -> None:
    assert sum(wins(seed, by_day=True, gain=0.08) for seed in range(TRIALS)) >= 0.9 * TRIALS


def test_rows_of_one_block_each_are_rows() -> None:
    truth, new, old, _ = trial(0)
    rows = np.arange(len(truth))
    assert paired_bootstrap("brier", truth, new, old, blocks=rows) == paired_bootstrap(
        "brier", truth, new, old
    )


def test_blocks_that_say_nothing_are_refused() -> None:
    truth, new, old, _ = trial(0)
    with pytest.raises(ValueError, match="of one block"):
        paired_bootstrap("brier", truth, new, old, blocks=np.zeros(len(truth)))
    with pytest.raises(ValueError, match="one for each row"):
        paired_bootstrap("brier", truth, new, old, blocks=[1, 2])
