"""Two runs of a station judge the same partition at once: what stays has seen all that came."""

import threading

import pytest

from mlops_assets.assets.monitoring.captured import skew
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.current import of_current
from mlops_assets.assets.monitoring.quality.performance_seeing import recorded
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.resources.records import Store
from mlops_assets_tests.assets.monitoring.captured.label_lab import DAYS, Lab, within

DAY = DAYS[0]
EVENTS = [f"p{n}" for n in range(6)]


class SlowStore(Store):
    """Its first save waits until it is told to go on: a process that was busy with other things."""

    def save(self, *given):
        if not REACHED.is_set():
            REACHED.set()
            assert GO_ON.wait(30)
        return super().save(*given)


REACHED, GO_ON = threading.Event(), threading.Event()


@pytest.fixture
def lab(tmp_path) -> Lab:
    REACHED.clear()
    GO_ON.clear()
    found = Lab.open(tmp_path, performance=within(days=2))
    # By no version that a registry would have to be asked about.
    found.capture(DAY, *({"event_id": event, "version": None} for event in EVENTS))
    return found


def overtaken(lab: Lab, judge, change) -> None:
    """The first begins to judge; then something comes, and another judges that and is done before
    the first saves what it has found."""
    slow = SlowStore(bucket=lab.store.bucket, objects=lab.store.objects)
    first = threading.Thread(target=judge, args=(slow,))
    first.start()
    assert REACHED.wait(30)
    change()
    judge(lab.store)
    GO_ON.set()
    first.join(30)


def performance(lab: Lab):
    return lambda store: recorded(lab.pipeline, lab.lake, store, None, DAY, "code")


def test_late_labels_are_not_forgotten_for_a_judgement_that_began_before_them(lab):
    """A replay once ended with 223 of 800 labels judged: the run that had seen these ended last."""
    lab.truth(DAY, (EVENTS[0], 1.0, f"{DAY} 12:00"))
    labels = [(event, 1.0, f"{DAYS[1]} 09:00") for event in EVENTS[1:]]
    overtaken(lab, performance(lab), lambda: lab.truth(DAYS[1], *labels))
    assert lab.store.load(PerformanceRecord, "deliveries", "performance", DAY).labelled == 6


def test_rows_that_come_while_they_are_compared_are_compared(lab):
    rows = [{"parcel": event} for event in EVENTS]
    judge = lambda store: skew.recorded(lab.pipeline, lab.lake, store, DAY)  # noqa: E731
    overtaken(lab, judge, lambda: lab.features(DAY, *rows))
    record = lab.store.load(SkewRecord, "deliveries", "skew", DAY)
    assert (record.status, record.compared) == ("healthy", 6)
    assert set(record.inputs) == {"deliveries.captures", "deliveries.features"}


def test_without_a_second_look_they_would_be_forgotten(lab):
    """The control: judged once, and saved."""

    def once(store: Store) -> None:
        store.save("deliveries", "skew", DAY, skew.judge(lab.pipeline, lab.lake, DAY)[0])

    rows = [{"parcel": event} for event in EVENTS]
    overtaken(lab, once, lambda: lab.features(DAY, *rows))
    assert lab.store.load(SkewRecord, "deliveries", "skew", DAY).status == "unknown"


def test_inputs_that_change_for_ever_end_the_look_all_the_same():
    versions, made = iter(range(1_000)), []
    assert of_current(lambda: next(versions), lambda v: made.append(v) or v) == made[-1]
    assert len(made) < 50
