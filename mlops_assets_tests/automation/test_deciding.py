"""Whether to retrain: each guard with the case that it lets through."""

import dataclasses
import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.automation.deciding import Evidence, Gain, decide
from mlops_assets.monitors import Retraining

NOW = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
FREE = Retraining(pause=dt.timedelta(0), per_day=100)
SEEN = Evidence("drift", "2024-02", True, "40 % matters", as_of="2024-02", seen={"profile": "1"})
LOSS = Gain(-0.01, -0.02, -0.001, 5)


def retrained(minutes_ago: float, digest: str = "another") -> Decision:
    at = NOW - dt.timedelta(minutes=minutes_ago)
    return Decision(
        at=at.isoformat(), pipeline="p", trigger="drift", partition="2024-01", action="retrain",
        words="then", evidence={"digest": digest}, run_key=f"p:drift:{digest}",
    )  # fmt: skip


def decided(evidence=SEEN, policy=FREE, history=(), running=(), now=NOW) -> Decision | None:
    return decide("p", evidence, policy, list(history), running=list(running), now=now)


def action(*args, **kwargs) -> str | None:
    decision = decided(*args, **kwargs)
    return decision.action if decision else None


def test_a_trigger_that_holds_retrains_with_its_reason_and_a_key_of_its_own():
    decision = decided()
    assert decision is not None
    assert (decision.action, decision.trigger, decision.partition) == (
        "retrain",
        "drift",
        "2024-02",
    )
    assert decision.words == "40 % matters"
    assert decision.run_key == f"p:drift:{SEEN.digest}"


def changed(**fields) -> Evidence:
    return dataclasses.replace(SEEN, **fields)


# Each guard: what it stops, and the nearest case that it must not stop.
GUARDS = {
    "the trigger does not hold": (
        {"evidence": changed(holds=False)}, None,
        {"evidence": changed(holds=True)}, "retrain",
    ),
    "nothing is labelled": (
        {"evidence": changed(as_of=None)}, "hold",
        {"evidence": changed(as_of="2024-01")}, "retrain",
    ),
    "broken data": (
        {"evidence": changed(broken=("temp: °F for °C",))}, "hold",
        {"evidence": changed(broken=())}, "retrain",
    ),
    "nothing new to learn": (
        {"evidence": changed(learned="the champion was trained on these rows")}, "hold",
        {"evidence": changed(learned="")}, "retrain",
    ),
    "the back-test shows no gain": (
        {"evidence": changed(gain=LOSS)}, "hold",
        {"evidence": changed(gain=dataclasses.replace(LOSS, high=0.001))}, "retrain",
    ),
    "one pair of the back-test shows nothing": (
        {"evidence": changed(gain=LOSS)}, "hold",
        {"evidence": changed(gain=dataclasses.replace(LOSS, pairs=1))}, "retrain",
    ),
    "of new code no back-test tells": (
        {"evidence": changed(gain=LOSS)}, "hold",
        {"evidence": changed(gain=LOSS, trigger="code")}, "retrain",
    ),
    "worth_it is not asked for": (
        {"evidence": changed(broken=("b",), learned="l", gain=LOSS)}, "hold",
        {"evidence": changed(broken=("b",), learned="l", gain=LOSS),
         "policy": dataclasses.replace(FREE, worth_it=False)}, "retrain",
    ),
    "a model is being trained": (
        {"running": ["run"]}, "wait",
        {"running": []}, "retrain",
    ),
    "the pause": (
        {"history": [retrained(29)], "policy": Retraining()}, "wait",
        {"history": [retrained(31)], "policy": Retraining()}, "retrain",
    ),
    "the budget of a day": (
        {"history": [retrained(60 * h) for h in (23, 4, 3, 2)], "policy": Retraining()}, "wait",
        {"history": [retrained(60 * h) for h in (25, 4, 3, 2)], "policy": Retraining()}, "retrain",
    ),
    "decided already": (
        {"history": [retrained(600, SEEN.digest)]}, None,
        {"history": [retrained(600, "of other evidence")]}, "retrain",
    ),
}  # fmt: skip


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_stops_what_it_is_for_and_nothing_else(guard):
    stopped, expected, passed, otherwise = GUARDS[guard]
    assert action(**stopped) == expected
    assert action(**passed) == otherwise


def test_nothing_labelled_holds_even_where_worth_is_not_asked_for():
    policy = dataclasses.replace(FREE, worth_it=False)
    assert action(evidence=changed(as_of=None), policy=policy) == "hold"


def test_the_same_answer_to_the_same_evidence_is_said_once_and_another_one_again():
    """A hold a minute for months would bury the decisions that matter."""
    first = decided(policy=Retraining(), history=[retrained(10)])
    assert first is not None
    assert first.action == "wait"
    later = NOW + dt.timedelta(minutes=5)
    assert decided(policy=Retraining(), history=[retrained(10), first], now=later) is None
    freed = NOW + dt.timedelta(minutes=31)
    assert action(policy=Retraining(), history=[retrained(10), first], now=freed) == "retrain"


def test_other_evidence_is_decided_on_anew():
    """A profile that changed, a newer partition to train as of: each is a new question."""
    asked = [retrained(600, SEEN.digest)]
    assert action(evidence=changed(seen={"profile": "2"}), history=asked) == "retrain"
    assert action(evidence=changed(as_of="2024-03"), history=asked) == "retrain"
    assert action(evidence=changed(words="41 % matters"), history=asked) is None


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 120)), max_size=40),
    st.integers(1, 4),
    st.integers(0, 60),
)
def test_whatever_comes_budget_and_pause_are_kept(arrivals, per_day, pause):
    """A storm of evidence must not become a storm of trainings."""
    policy = Retraining(per_day=per_day, pause=dt.timedelta(minutes=pause))
    history: list[Decision] = []
    now = NOW
    for number, minutes in arrivals:
        now += dt.timedelta(minutes=minutes)
        found = decided(changed(seen={"n": str(number)}), policy, history, now=now)
        history += [found] if found else []
    started = [dt.datetime.fromisoformat(d.at) for d in history if d.action == "retrain"]
    for earlier, later in itertools.pairwise(started):
        assert later - earlier >= policy.pause
    for first in started:
        day = [at for at in started if dt.timedelta(0) <= at - first < dt.timedelta(days=1)]
        assert len(day) <= per_day
    keys = [d.run_key for d in history if d.action == "retrain"]
    assert len(keys) == len(set(keys))
