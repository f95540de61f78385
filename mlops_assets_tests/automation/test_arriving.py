"""The order in which partitions come in, played through: no features before their history."""

from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.automation.arriving import Arrival, next_step
from mlops_assets.automation.looking_back import looking_back_on
from mlops_assets_tests import deliveries
from mlops_assets_tests.deliveries import DAYS


class Load:
    """A first load of partitions 0 … n-1, each looking back on ``back`` before it."""

    def __init__(self, n: int, back: int) -> None:
        self.back = back
        self.arrivals = [Arrival() for _ in range(n)]
        self.bringing: dict[int, str] = {}
        self.asked: list[tuple[int, str]] = []

    def before(self, place: int) -> list[Arrival]:
        return self.arrivals[max(place - self.back, 0) : place]

    def tick(self) -> None:
        # All look at the same world: what is asked for in a tick is not under way in it yet.
        steps = [next_step(a, self.before(p)) for p, a in enumerate(self.arrivals)]
        for place, step in enumerate(steps):
            if step is None:
                continue
            if step != "rows":
                assert not any(a.rows_to_come for a in self.before(place)), (place, step)
            self.asked.append((place, step))
            self.bringing[place] = step
            self._set(place, step, "under way")

    def end(self, place: int, state: str) -> None:
        self._set(place, self.bringing.pop(place), state)

    def _set(self, place: int, step: str, state: str) -> None:
        old = self.arrivals[place]
        self.arrivals[place] = (
            Arrival(state, old.rest) if step == "rows" else Arrival(old.rows, state)
        )


@given(
    n=st.integers(1, 8),
    back=st.integers(1, 3),
    order=st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["succeeded", "failed"]))),
)
def test_whatever_the_order_features_follow_the_rows_and_all_of_it_comes_to_an_end(n, back, order):
    """Failed runs must hold nobody up, and nothing may be asked for twice."""
    load = Load(n, back)
    load.tick()
    assert {place for place, _ in load.asked} == set(range(n)), "the rows of all come in at once"
    ends = iter(order)
    for _ in range(2 * n + 1):
        for place in sorted(load.bringing):
            load.end(place, next(ends, (0, "succeeded"))[1])
            load.tick()
    assert not load.bringing
    assert len(load.asked) == len(set(load.asked))
    for arrival in load.arrivals:
        assert arrival.rest != "none" or arrival.rows == "failed"


def test_without_holding_back_features_would_be_made_on_missing_history():
    """The negative control: asked for at once, the second one's features start too early."""
    load = Load(2, back=1)
    load.tick()
    assert load.asked == [(0, "all"), (1, "rows")]
    load.end(1, "succeeded")
    load.tick()
    assert len(load.asked) == 2, "the rows before it are still under way"
    load.end(0, "succeeded")
    load.tick()
    assert load.asked[2:] == [(1, "features")]


def test_of_rows_whose_run_is_forgotten_nobody_knows_whether_their_checks_held():
    """Making features of them would go round a blocking check: they come in again as a whole."""
    assert next_step(Arrival(rows="forgotten"), []) == "all"
    assert next_step(Arrival(rows="failed"), []) is None


def test_who_looks_back_on_whom_is_the_same_seen_from_either_side():
    pipeline = deliveries.declare()
    for day in DAYS:
        for later in looking_back_on(pipeline, day):
            assert day in pipeline.partitions.before(later, pipeline.lookback)
        for earlier in pipeline.partitions.before(day, pipeline.lookback):
            assert day in looking_back_on(pipeline, earlier)
    assert looking_back_on(pipeline, DAYS[0]) == [DAYS[1]]
    assert looking_back_on(pipeline, DAYS[-1]) == []
