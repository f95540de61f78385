"""Waiting for capacity and quota: for which refusals, how long, and by chance not all at once."""

from types import SimpleNamespace
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from mlops_assets.resources.sagemaker.jobs import patience
from mlops_assets.resources.sagemaker.jobs.patience import Budget, Patience, quota_in_use

LIMIT = (
    "The account-level service limit 'ml.m5.large for training job usage' is {} Instances, with "
    "current utilization of {} Instances and a request delta of {} Instances."
)


def refused(message: str, code: str = "ResourceLimitExceeded") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateTrainingJob")


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (refused(LIMIT.format(2, 2, 1)), True),
        (refused(LIMIT.format(2, 0, 3)), False),
        (refused(LIMIT.format(0, 0, 1)), False),
        (refused("100 training jobs run or wait already: try later"), True),
        (refused("Subnet is full", "ValidationException"), False),
        (ValueError("no answer of AWS"), False),
    ],
)
def test_only_what_others_may_free_is_waited_for(error: Exception, waits: bool) -> None:
    """A quota of zero, waited for, is an hour's silence before the same refusal."""
    assert quota_in_use(error) is waits


def spent(budget: Budget) -> list[float]:
    """The pauses of a budget until it is over, on a clock that only they move."""
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    with patch.object(patience, "time", clock):
        while budget.wait("why", lambda _: None):
            pass
    return pauses


def test_waits_grow_differ_and_end_with_the_budget() -> None:
    """Runs that wait alike meet again at each attempt, and all but one are refused again."""
    one, other = (spent(Budget(Patience(capacity_s=600, first_s=10))) for _ in range(2))
    assert one != other
    assert 5 <= one[0] <= 10
    assert max(one) > 2 * one[0]
    assert max(one) <= 300
    assert sum(one) == pytest.approx(600)


def test_no_patience_is_no_wait() -> None:
    assert spent(Budget(Patience(capacity_s=0))) == []
