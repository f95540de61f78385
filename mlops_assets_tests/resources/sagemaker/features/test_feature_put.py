"""Features into the online store: all of them, once, whatever fails on the way (fault 37)."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from botocore.awsrequest import AWSResponse

from mlops_assets.ml.feature_record import EVENT_TIME, entity_id
from mlops_assets.resources.sagemaker.features import feature_put
from mlops_assets.resources.sagemaker.features.feature_put import IncompletePut, put, records_of
from mlops_assets.resources.sagemaker.features.feature_store import (
    FeatureGroupError,
    ensure_group,
    feature_types,
    group_request,
    read,
)
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment

pytestmark = pytest.mark.integration

KEY, COLUMNS = ("depot", "day"), ("late", "parcels", "mood")
names = (f"depots-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        server = LocalApi(tmp_path_factory.mktemp("features") / "sagemaker")
        yield server
        server.end()


@pytest.fixture
def group(api: LocalApi) -> str:
    name = next(names)
    ensure_group(api.sm, name, feature_types(frame(1), COLUMNS))
    return name


@pytest.fixture
def runtime(api: LocalApi) -> Any:
    """A client of one's own, whose hooks disturb nobody else."""
    return api.client("sagemaker-featurestore-runtime")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_put, "_PAUSE_S", 0.001)


def frame(rows: int, day: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(rows)
    return pd.DataFrame(
        {
            "depot": [f"north|{n}" for n in range(rows)],
            "day": day,
            "at": pd.Timestamp(f"2024-01-{day:02}", tz="UTC"),
            "late": np.where(rng.random(rows) < 0.2, np.nan, rng.random(rows)),
            "parcels": rng.integers(0, 10**15, rows),
            "mood": rng.choice(["good", "bad", ""], rows),
        }
    )


def records(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    return records_of(rows, KEY, COLUMNS, rows["at"])


class Faults:
    """Some entries of a client's batches fail; ``tried`` counts each record's writes."""

    def __init__(self, client: Any, unlucky: set[str], *, report: str, times: int = 1) -> None:
        self.tried: Counter[str] = Counter()
        self._unlucky, self._report, self._times = unlucky, report, times
        self._failed: Counter[str] = Counter()
        self._held = threading.local()
        events = client.meta.events
        events.register("provide-client-params.*.BatchWriteRecord", self._hold)
        events.register("after-call.*.BatchWriteRecord", self._tell)

    def _hold(self, params: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The unlucky entries never reach the store."""
        kept: list[dict[str, Any]] = []
        self._held.entries = []
        for entry in params["Entries"]:
            name = feature_put._identifier(entry)
            self.tried[name] += 1
            if name in self._unlucky and self._failed[name] < self._times:
                self._failed[name] += 1
                self._held.entries.append(entry)
            else:
                kept.append(entry)
        # A batch must not be empty: then a record of nobody goes in their place.
        group = params["Entries"][0]["FeatureGroupName"]
        nobody = feature_put._record("nobody", {EVENT_TIME: "2000-01-01T00:00:00.000Z"})
        return {"Entries": kept or [{"FeatureGroupName": group, "Record": nobody}]}

    def _tell(self, parsed: dict[str, Any], **_: Any) -> None:
        for entry in self._held.entries:
            if self._report == "unprocessed":
                parsed["UnprocessedEntries"].append(entry)
            elif self._report:
                parsed["Errors"].append(
                    {"Entry": entry, "ErrorCode": self._report, "ErrorMessage": "on purpose"}
                )


def test_what_is_put_reads_back_as_it_was(runtime, group):
    wanted = records(frame(130))
    report = put(runtime, group, wanted, COLUMNS)
    assert (report.written, report.retried, report.corrected) == (130, 0, 0)
    assert report.oldest == report.newest == "2024-01-01T00:00:00.000Z"
    assert read(runtime, group, wanted, COLUMNS) == wanted
    assert entity_id(["north|7", 1]) in wanted


def test_a_second_time_writes_nothing(runtime, group):
    put(runtime, group, records(frame(30)), COLUMNS)
    faults = Faults(runtime, set(), report="")
    report = put(runtime, group, records(frame(30)), COLUMNS)
    assert (report.written, report.unchanged) == (0, 30)
    assert not faults.tried


def test_a_late_row_does_not_replace_a_newer_one(runtime, group):
    newer, older = frame(5), frame(5)
    newer["at"] += pd.Timedelta(milliseconds=1)
    older["late"] = 0.5
    put(runtime, group, records(newer), COLUMNS)
    report = put(runtime, group, records(older), COLUMNS)
    assert (report.superseded, report.written) == (5, 0)
    assert read(runtime, group, records(newer), COLUMNS) == records(newer)


def test_the_newest_row_of_an_entity_counts():
    twice = pd.concat([frame(2, day=1), frame(2, day=1)], ignore_index=True)
    twice["at"] += pd.to_timedelta([5, 0, 0, 5], unit="h")
    twice["parcels"] = [1, 2, 3, 4]
    found = {name: record["parcels"] for name, record in records(twice).items()}
    assert found == {"north%7C0|1": "1", "north%7C1|1": "4"}


def test_corrected_values_of_the_same_event_are_written(runtime, group):
    """Feature Store ignores a record whose event time is not greater, and says nothing."""
    put(runtime, group, records(frame(40)), COLUMNS)
    fixed = frame(40)
    fixed.loc[:9, "parcels"] += 1
    report = put(runtime, group, records(fixed), COLUMNS)
    assert (report.corrected, report.unchanged) == (10, 30)
    assert read(runtime, group, records(fixed), COLUMNS) == records(fixed)


def test_without_the_removal_a_correction_would_be_lost(runtime, group, monkeypatch):
    """The negative control, and the proof afterwards sees it."""
    put(runtime, group, records(frame(3)), COLUMNS)
    monkeypatch.setattr(feature_put, "_remove", lambda *_: None)
    fixed = frame(3).assign(parcels=1)
    with pytest.raises(IncompletePut, match="differs in parcels"):
        put(runtime, group, records(fixed), COLUMNS)


@pytest.mark.parametrize("report", ["unprocessed", "InternalFailure", "ServiceUnavailable"])
def test_only_the_failed_records_are_written_again(runtime, group, report):
    wanted = records(frame(120))
    unlucky = set(list(wanted)[3:100:7])
    faults = Faults(runtime, unlucky, report=report, times=2)
    said = put(runtime, group, wanted, COLUMNS)
    assert said.retried == 2 * len(unlucky)
    assert {name for name, times in faults.tried.items() if times > 1} == unlucky
    assert all(faults.tried[name] == 3 for name in unlucky)
    assert read(runtime, group, wanted, COLUMNS) == wanted


def test_records_that_fail_for_good_fail_the_put_and_a_rerun_completes_it(api, runtime, group):
    wanted = records(frame(60))
    unlucky = set(list(wanted)[:4])
    Faults(runtime, unlucky, report="InternalFailure", times=99)
    with pytest.raises(IncompletePut, match="4 of 60 records could not be written"):
        put(runtime, group, wanted, COLUMNS)
    healthy = api.client("sagemaker-featurestore-runtime")
    faults = Faults(healthy, set(), report="")
    assert put(healthy, group, wanted, COLUMNS).written == 4
    assert set(faults.tried) == unlucky


def test_a_refused_record_is_not_tried_again(runtime, group):
    wanted = records(frame(5))
    faults = Faults(runtime, {next(iter(wanted))}, report="ValidationError", times=99)
    with pytest.raises(IncompletePut, match="ValidationError: on purpose"):
        put(runtime, group, wanted, COLUMNS)
    assert set(faults.tried.values()) == {1}


def test_a_whole_batch_that_fails_is_written_again(runtime, group):
    wanted, down = records(frame(30)), itertools.count()

    def unavailable(request: Any, **_: Any) -> AWSResponse | None:
        return AWSResponse(request.url, 503, {}, Empty()) if next(down) < 2 else None

    runtime.meta.events.register("before-send.*.BatchWriteRecord", unavailable)
    assert put(runtime, group, wanted, COLUMNS).retried > 0
    assert read(runtime, group, wanted, COLUMNS) == wanted


class Empty:
    """The body of a reply that has none."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        return iter(())


@pytest.mark.parametrize("proven", [True, False])
def test_a_record_that_is_lost_without_a_word_is_noticed(runtime, group, monkeypatch, proven):
    """With the completeness check removed (the negative control) nobody would know."""
    wanted = records(frame(30))
    lost = set(list(wanted)[:2])
    Faults(runtime, lost, report="", times=99)
    if proven:
        with pytest.raises(IncompletePut, match=r"2 of 30 records .* do not read back"):
            put(runtime, group, wanted, COLUMNS)
        return
    monkeypatch.setattr(feature_put, "_prove", lambda *_: None)
    assert put(runtime, group, wanted, COLUMNS).written == 30
    assert set(wanted) - set(read(runtime, group, wanted, COLUMNS)) == lost


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"late": np.inf}, "row 0 in order of event time, column 'late': inf"),
        ({"mood": "a\nb"}, "column 'mood': a text with a line break"),
        ({"depot": None}, "row 0 in order of event time, entity key: must be a text"),
    ],
)
def test_what_cannot_be_stored_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        records(frame(3).assign(**change))


def test_an_empty_frame_is_no_work(runtime, group):
    report = put(runtime, group, records(frame(0)), COLUMNS)
    assert (report.written, report.oldest) == (0, None)


def test_times_are_utc_to_the_millisecond():
    rows = frame(1)
    rows["at"] = pd.Timestamp("2024-01-01T01:30:00.123987", tz="Europe/Berlin")
    assert next(iter(records(rows).values()))[EVENT_TIME] == "2024-01-01T00:30:00.123Z"


# -- groups


def test_a_group_is_made_once_and_grows(api, group):
    types = feature_types(frame(1), COLUMNS)
    assert types == {"late": "Fractional", "parcels": "Integral", "mood": "String"}
    assert ensure_group(api.sm, group, types) is False
    assert ensure_group(api.sm, group, {**types, "new": "Fractional"}) is True
    assert ensure_group(api.sm, group, types) is False, "what is no longer asked for stays"
    found = api.sm.describe_feature_group(FeatureGroupName=group)["FeatureDefinitions"]
    assert [one["FeatureName"] for one in found] == ["entity", EVENT_TIME, *COLUMNS, "new"]


def test_a_feature_of_another_type_is_said(api, group):
    with pytest.raises(FeatureGroupError, match="has late as Fractional, not String"):
        ensure_group(api.sm, group, {"late": "String"})


def test_a_group_in_aws_is_encrypted_and_has_a_role():
    placement = Placement(
        role_arn="arn:aws:iam::123456789012:role/x",
        kms_key_arn="arn:aws:kms:eu-west-1:123456789012:key/1",
    )
    request = group_request("g", {"x": "String"}, placement=placement, offline_uri="s3://lake/fs")
    assert request["OnlineStoreConfig"]["SecurityConfig"]["KmsKeyId"] == placement.kms_key_arn
    storage = request["OfflineStoreConfig"]["S3StorageConfig"]
    assert storage == {"S3Uri": "s3://lake/fs", "KmsKeyId": placement.kms_key_arn}
    assert request["RoleArn"] == placement.role_arn
