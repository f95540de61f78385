"""The stations over captured files that nobody's endpoint wrote: what they tell, and how loudly."""

import dataclasses

import pytest

from mlops_assets.assets.monitoring.captured import captures
from mlops_assets.assets.monitoring.captured.label_queue import queue
from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.captured.skew import judge
from mlops_assets.assets.serve import endpoint_spec
from mlops_assets.pipeline import ABTest, Endpoint, Label, Monitors
from mlops_assets.resources.sagemaker.hosting.endpoint_spec import config_request
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets_tests.assets.monitoring.captured.captured_parcels import declare
from mlops_assets_tests.assets.monitoring.captured.label_lab import DAYS, Lab
from mlops_assets_tests.resources.monitoring.captured_lines import asked, lines
from mlops_assets_tests.worlds import TestWorld, checks

DAY = DAYS[0]
ROW = {"depot": "north", "weight": 1.5, "recent_late": 0.25}


def file(world: TestWorld, name: str, *records) -> None:
    store = world.resources["store"]
    uri = store.uri("captures/deliveries/v2/deliveries/live/2024/03/01/10", f"{name}.jsonl")
    store.open().write(uri, lines(*records))


def page(result) -> dict:
    (event,) = [e for e in result.all_events if e.is_step_materialization]
    return event.step_materialization_data.materialization.metadata


@pytest.mark.integration
def test_refused_records_warn_and_stop_nothing(tmp_path):
    world = TestWorld(tmp_path, declare())
    at = f"event_time={DAY}T12:00Z"
    file(world, "a", asked(ROW, inference_id="p1", attributes=at), "{", asked({"depot": 1.5}))
    result = world.run("captures", partition=DAY)
    assert result.success
    found = checks(result)["decoded"]
    assert not found.passed
    assert found.severity.value == "WARN"
    assert "2 records could not be read" in str(found.description)
    refused = world.lake.read("deliveries.captures_refused", [DAY])
    assert refused["capture_line"].tolist() == [2, 3]
    assert page(result)["accepted"].value == 1
    unknown = checks(result)["capture_gap"]
    assert unknown.passed
    assert "unknown: deliveries.features[2024-03-01] is not in the lake" in str(unknown.description)
    # And the negative control: another day has none of it.
    quiet = world.run("captures", partition=DAYS[1])
    assert checks(quiet)["decoded"].passed
    assert page(quiet)["accepted"].value == 0


@pytest.mark.parametrize(
    ("share", "asked_about", "passes"),
    [(1.0, 10, True), (1.0, 9, True), (1.0, 8, False), (1.0, 0, False), (0.5, 5, True)],
)
def test_a_gap_in_capture_is_told_and_sampling_is_none(tmp_path, share, asked_about, passes):
    lab = Lab.open(tmp_path)
    lab.pipeline = declare(endpoint=Endpoint(capture_share=share), monitors=_bound(0.15))
    lab.features(DAY, *({"parcel": f"p{n}"} for n in range(10)))
    lab.capture(DAY, *({"event_id": f"p{n}"} for n in range(asked_about)), {"event_id": "stranger"})
    events = lab.lake.read("deliveries.captures", [DAY])
    verdict = captures.capture_gap(lab.pipeline, lab.lake, DAY, events)
    assert verdict.passed is passes
    assert f"{10 * (10 - asked_about)}.0 % of 10 rows" in verdict.description


def _bound(gap: float) -> Monitors:
    from mlops_assets.pipeline import Performance

    return Monitors(performance=Performance(capture_gap=gap))


def test_skew_is_unknown_rather_than_healthy_when_nothing_can_be_compared(tmp_path):
    lab = Lab.open(tmp_path)

    def record() -> SkewRecord:
        return judge(lab.pipeline, lab.lake, DAY)[0]

    assert (record().status, record().words) == ("unknown", f"nothing was captured of {DAY}")
    lab.capture(DAY, {"event_id": "a"}, {"event_id": "b", "variant": "shadow"})
    assert record().status == "unknown"
    lab.features(DAY, {"parcel": "other"})
    assert "do not send the event's id" in record().words
    lab.features(DAY, {"parcel": "a"})
    assert (record().status, record().captured, record().compared) == ("healthy", 1, 1)
    lab.features(DAY, {"parcel": "a", "weight": 9.0})
    assert (record().status, record().columns) == ("failing", {"weight": 1})
    lab.capture(DAY, {"event_id": "a", "weight": None, "left_out": "weight"})
    assert record().status == "healthy"
    assert "weight were not sent, and are not compared" in record().words


def test_the_queue_asks_for_what_would_teach_most(tmp_path):
    lab = Lab.open(tmp_path, label_queue=3)
    rows = [{"event_id": f"sure{n}", "prediction": 0.99} for n in range(20)]
    lab.capture(
        DAYS[1],
        *rows,
        {"event_id": "unsure", "prediction": 0.5},
        {
            "event_id": "strange",
            "prediction": 0.99,
            "depot": "east",
            "weight": 999,
            "recent_late": 9,
        },
        {"event_id": "known", "prediction": 0.5},
    )
    lab.features(DAY, *({"parcel": f"p{n}", "weight": float(n)} for n in range(50)))
    lab.truth(DAYS[1], ("known", 1.0, f"{DAYS[1]} 12:00"))
    sheet = queue(lab.pipeline, lab.lake, DAYS[1])
    reasons = dict(zip(sheet["event_id"], sheet["queue_reason"], strict=True))
    assert list(reasons)[:2] == ["strange", "unsure"]
    assert (reasons["strange"], reasons["unsure"]) == ("unusual", "uncertain")
    assert "known" not in reasons, "it has its label"
    assert len(sheet) == 3
    assert queue(lab.pipeline, lab.lake, DAYS[2]).empty


def test_captures_tell_which_version_answered(tmp_path):
    """Also while two versions answer: the champion's answers are not the challenger's."""
    lab = Lab.open(tmp_path)
    arn = "arn:aws:sagemaker:us-east-1:1:model-package/deliveries/{}"

    def destination(spec, **beside) -> str:
        request = config_request(spec, "model", **beside)
        return request["DataCaptureConfig"]["DestinationS3Uri"]

    pipeline = declare(endpoint=Endpoint(capture_share=1.0, rollout=ABTest()))
    alone = endpoint_spec(pipeline, lab.store, Placement(), arn.format(4))
    assert destination(alone) == "s3://lake/captures/deliveries/v4"
    beside = endpoint_spec(
        pipeline, lab.store, Placement(), arn.format(4), champion_arn=arn.format(3)
    )
    assert destination(beside) == "s3://lake/captures/deliveries/v4"
    for how in ({"challenger": ("other", 0.5)}, {"shadow": ("other", 1.0)}):
        assert destination(beside, **how) == "s3://lake/captures/deliveries/v3-v4"


def test_a_feature_that_is_called_like_a_column_of_captures_is_refused(tmp_path):
    from mlops_assets.resources.monitoring.tables import check_names

    check_names({"depot": "str"})
    with pytest.raises(ValueError, match=r"\['variant'\] are called like columns"):
        check_names({"variant": "str"})


def test_of_several_classes_the_queue_asks_where_the_best_two_are_close(tmp_path):
    """By the number of the class alone, as of a regression, nothing told which row is unsure."""
    lab = Lab.open(tmp_path, label_queue=3)
    several = Label(column="late", kind="multiclass", classes=("early", "on time", "late"))
    lab.pipeline = dataclasses.replace(lab.pipeline, label=several)
    shares = {"sure": (0.9, 0.05, 0.05), "torn": (0.02, 0.5, 0.48), "even": (0.4, 0.3, 0.3)}
    lab.capture(
        DAYS[1],
        *(
            {
                "event_id": name,
                "prediction": 1.0,
                **dict(zip(several.answers, told, strict=True)),
            }
            for name, told in shares.items()
        ),
    )
    sheet = queue(lab.pipeline, lab.lake, DAYS[1])
    assert sheet["event_id"].tolist() == ["torn", "even", "sure"]
    assert sheet["queue_score"].tolist() == [0.49, 0.45, 0.075]
