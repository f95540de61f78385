"""Which runs a replay reports as failed: a gate's refusal is a verdict, an interruption is none."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mlops_assets.replay import failures, waiting

pytestmark = pytest.mark.integration


@dg.asset(
    key=["p", "evaluation"],
    check_specs=[
        dg.AssetCheckSpec(name, asset=["p", "evaluation"], blocking=True)
        for name in ("beats_champion", "rows_there")
    ],
)
def evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    failing = context.run.tags["fails"]
    return dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name=name, passed=name != failing, description=f"not {name}")
            for name in ("beats_champion", "rows_there")
        ]
    )


@dg.asset(key=["p", "endpoint"], deps=[["p", "evaluation"]])
def endpoint(context: dg.AssetExecutionContext) -> None:
    if context.run.tags["fails"] == "endpoint":
        raise dg.Failure("the fleet is on fire")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    # Not an ephemeral one: that has no memory of sensors.
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def run(instance: dg.DagsterInstance, fails: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [evaluation, endpoint], instance=instance, tags={"fails": fails}, raise_on_error=False
    )


def test_a_challenger_that_a_gate_refused_is_no_failure(instance: dg.DagsterInstance) -> None:
    """The champion kept is what the loop is for; a replay that called it failed could not end."""
    assert not run(instance, "beats_champion").success
    assert failures.since(instance, 0.0) == []


@pytest.mark.parametrize(
    ("fails", "words"),
    [("endpoint", "the fleet is on fire"), ("rows_there", "not rows_there")],
)
def test_every_other_failure_is_told_with_its_reason(
    instance: dg.DagsterInstance, fails: str, words: str
) -> None:
    assert not run(instance, fails).success
    assert [words in each.words for each in failures.since(instance, 0.0)] == [True]
    assert failures.since(instance, time.time() + 1) == []


def test_what_died_with_the_replay_is_ended_and_not_called_a_failure(
    instance: dg.DagsterInstance,
) -> None:
    """A run that counts as under way for ever would let no replay come to rest again."""
    dead = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    assert waiting.look(instance, [], 0.0)
    failures.bury(instance)
    ended = instance.get_run_by_id(dead.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE
    assert failures.since(instance, 0.0) == []
    assert not waiting.look(instance, [], 0.0)


def test_nothing_is_at_rest_while_a_sensor_has_not_looked(instance: dg.DagsterInstance) -> None:
    unrest = waiting.look(instance, ["p_new_data"], time.time())
    assert "p_new_data" in str(unrest)

    def end() -> None:
        raise RuntimeError("the daemon has ended")

    with pytest.raises(RuntimeError, match="daemon has ended"):
        waiting.until_rest(
            instance, ["p_new_data"], time.time(), timeout_s=5, alive=end, tell=lambda _: None
        )
    with pytest.raises(waiting.ReplayError, match=r"nothing ends for 0 s: sensors .* p_new_data"):
        waiting.until_rest(
            instance, ["p_new_data"], time.time(), timeout_s=0,
            alive=lambda: None, tell=lambda _: None,
        )  # fmt: skip


def test_who_goes_on_is_waited_for_and_who_hangs_is_not(instance: dg.DagsterInstance) -> None:
    """On a busy machine a month took longer than was waited for, though run after run ended."""
    patience, runs = waiting.Patience(60), ["a", "b", "c", "d"]
    assert not any(patience.over(runs[n:], 50 * n) for n in range(4)), "150 s, and all goes on"
    assert patience.over(runs[3:], 211)
    create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    with pytest.raises(waiting.ReplayError, match="nothing ends"):
        waiting.until_rest(instance, [], 0.0, timeout_s=0, alive=lambda: None, tell=lambda _: None)


def test_a_run_of_what_only_shows_hides_no_other(instance: dg.DagsterInstance) -> None:
    """Of the newest twenty runs all were pages: the one that had just ended was not seen, and a
    sensor that had looked before it counted as having seen what it did."""
    since = time.time()
    mine = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    for _ in range(25):
        shown = {"dagster/sensor_name": "p_downstream"}
        create_run_for_test(instance, tags=shown, status=dg.DagsterRunStatus.SUCCESS)
    assert set(waiting.look(instance, [], since).runs) == {mine.run_id}
    instance.report_run_failed(mine)
    record = instance.get_run_records(dg.RunsFilter(run_ids=[mine.run_id]))[0]
    assert record.end_time
    assert waiting.ended_since(instance, [], since) == record.end_time
