"""The log of decisions and the marks of what began: what holds when several write at once."""

import threading

import pytest

from mlops_assets.assets.monitoring.decided import decisions
from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.resources.monitoring import decisions as kept
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(bucket="lake", objects=f"dir:{tmp_path}")


def decision(words: str) -> Decision:
    return Decision(
        at="2024-03-01T12:00:00+00:00", pipeline="p", trigger="drift", partition="2024-02",
        action="hold", words=words,
    )  # fmt: skip


def test_decisions_are_read_back_in_order_the_last_ones_first_to_be_kept(store):
    for number in range(5):
        kept.append(store, "p", decision(str(number)))
    assert [d.words for d in decisions(store, "p")] == ["0", "1", "2", "3", "4"]
    assert [d.words for d in decisions(store, "p", limit=2)] == ["3", "4"]
    assert decisions(store, "p", limit=0) == []
    assert decisions(store, "q") == []


def test_of_those_who_decide_on_the_same_past_one_is_heard(store):
    """Two sensors at one moment would start two trainings."""
    log = kept.log(store, "p", Decision)
    _, end = log.tail()
    heard: list[bool] = []
    gate = threading.Barrier(8)

    def decide(name: str) -> None:
        gate.wait()
        heard.append(log.append(decision(name), after=end))

    threads = [threading.Thread(target=decide, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == [False] * 7 + [True]
    assert len(decisions(store, "p")) == 1


def test_what_was_done_is_added_whatever_was_decided_meanwhile(store):
    threads = [
        threading.Thread(target=kept.append, args=(store, "p", decision(str(n)))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(d.words for d in decisions(store, "p")) == [str(n) for n in range(8)]


def test_a_mark_is_remembered_by_pipeline_and_automation(store):
    Begun(store, "p", "captures").mark("key/with:odd#characters", "run")
    assert Begun(store, "p", "captures").has("key/with:odd#characters")
    assert not Begun(store, "p", "captures").has("another key")
    assert not Begun(store, "p", "labels").has("key/with:odd#characters")
    one_by_one = Begun(store, "p", "captures", one_by_one=True)
    assert [one_by_one.has(key) for key in ("key/with:odd#characters", "another key")] == [
        True,
        False,
    ]
    one_by_one.mark("another key", "run")
    assert one_by_one.has("another key")
    assert not Begun(store, "q", "captures").has("key/with:odd#characters")
