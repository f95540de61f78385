"""Captured requests: in the service's format and layout, complete or counted as lost."""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from datetime import datetime

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.invoking.counted import metric
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration
KEY = re.compile(r"AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-([0-9a-f-]{36})\.jsonl")


def captured(api: LocalApi, endpoint: str, share: int = 100, **changes) -> None:
    """An endpoint that captures to s3://capture/to/<endpoint>."""
    settings = {
        "EnableCapture": True,
        "InitialSamplingPercentage": share,
        "DestinationS3Uri": "s3://capture/to",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json"],
        },
    }
    api.model(endpoint, "model", DataCaptureConfig=settings | changes)
    api.deploy(endpoint, endpoint)


def records(api: LocalApi, endpoint: str) -> list[dict]:
    found = api.objects.list(f"s3://capture/to/{endpoint}/")
    lines = [line for info in found for line in api.objects.read(info.uri).splitlines()]
    return [json.loads(line) for line in lines]


def count(api: LocalApi, endpoint: str, name: str) -> float:
    return metric(api, endpoint, "AllTraffic", name, "Local/SageMaker")


def test_a_record_is_exactly_the_services(api: LocalApi):
    """Tools written for SageMaker read these files: a member too few and they fail."""
    captured(api, "exact")
    api.invoke("exact", b"1,2", InferenceId="mine", CustomAttributes="a=b")
    (record,) = eventually(lambda: records(api, "exact"))
    event, when = record["eventMetadata"].pop("eventId"), record["eventMetadata"]
    assert str(uuid.UUID(event)) == event
    moment = when.pop("inferenceTime")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert abs(datetime.fromisoformat(moment).timestamp() - time.time()) < 60
    answer = base64.b64encode(b"model:1,2").decode()
    assert record == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "1,2",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "text/plain",
                "mode": "OUTPUT",
                "data": answer,
                "encoding": "BASE64",
            },
        },
        "eventMetadata": {"customAttributes": ["a=b"], "inferenceId": "mine"},
        "eventVersion": "0",
    }
    (info,) = api.objects.list("s3://capture/to/exact/")
    assert KEY.fullmatch(info.uri.removeprefix("s3://capture/to/exact/"))
    shown = api.described("exact")["DataCaptureConfig"]
    assert (shown["CaptureStatus"], shown["CurrentSamplingPercentage"]) == ("Started", 100)


@pytest.mark.parametrize(
    ("options", "members"),
    [
        ("Input", {"endpointInput"}),
        ("Output", {"endpointOutput"}),
        ("InputAndOutput", {"endpointInput", "endpointOutput"}),
    ],
)
def test_only_what_was_asked_for_is_captured(api: LocalApi, options, members):
    """What must not be kept must not be kept."""
    captured(api, f"only-{options}", CaptureOptions=[{"CaptureMode": options}])
    api.invoke(f"only-{options}")
    (record,) = eventually(lambda: records(api, f"only-{options}"))
    assert record["captureData"].keys() == members


def test_bytes_that_are_no_text_are_encoded(api: LocalApi):
    """One wrong content type must not cost the file of a whole hour."""
    captured(api, "odd")
    body = b"\xff\x00\xfe"
    api.runtime.invoke_endpoint(EndpointName="odd", Body=body, ContentType="text/csv")
    (record,) = eventually(lambda: records(api, "odd"))
    side = record["captureData"]["endpointInput"]
    assert (side["encoding"], base64.b64decode(side["data"])) == ("BASE64", body)


def test_every_request_under_load_is_captured_or_counted(api: LocalApi):
    """A gap that nobody knows of turns every drift report into a guess."""
    captured(api, "counted")
    with Load(api, "counted", rate=300, threads=6) as load:
        time.sleep(2)
    assert load.seen.errors == {}
    api.sm.delete_endpoint(EndpointName="counted")
    eventually(lambda: not api.sm.list_endpoints(NameContains="counted")["Endpoints"])
    found = records(api, "counted")
    assert len(found) == load.seen.total == count(api, "counted", "CaptureRecords")
    assert len({record["eventMetadata"]["eventId"] for record in found}) == len(found)
    assert count(api, "counted", "CaptureRecordsLost") == 0


def test_a_swap_loses_no_captured_request(new_api):
    """The old fleet's queue must be written although its servers are gone, as must the last one."""
    api = new_api("--capture-flush", "30")
    captured(api, "swap-a")
    captured(api, "swap-b")
    with Load(api, "swap-a", rate=200) as load:
        for config in ("swap-b", "swap-a"):
            time.sleep(0.3)
            api.update("swap-a", config)
            api.settled("swap-a")
    api.end()
    assert load.seen.errors == {}
    assert len(records(api, "swap-a")) == load.seen.total


def test_a_share_is_a_share(api: LocalApi):
    """Ten per cent of the traffic, not all of it: it is paid for by the byte."""
    captured(api, "share", 10)
    with Load(api, "share", rate=300, threads=6) as load:
        time.sleep(2)
    api.sm.delete_endpoint(EndpointName="share")
    eventually(lambda: not api.sm.list_endpoints(NameContains="share")["Endpoints"])
    assert 0.04 < len(records(api, "share")) / load.seen.total < 0.18


def test_what_cannot_be_written_is_lost_and_counted(new_api):
    """The bucket's trouble must not become the endpoint's, nor be kept secret."""
    api = new_api("--capture-flush", "0.2")
    captured(api, "lost")
    # A bucket that is a file cannot hold an object.
    (api.home.parent / "buckets" / "capture").write_text("in the way")
    assert [api.invoke("lost") for _ in range(5)] == ["model:1"] * 5
    eventually(lambda: count(api, "lost", "CaptureRecordsLost") == 5)
    assert count(api, "lost", "CaptureRecords") == 0


def test_what_the_queue_cannot_hold_is_lost_and_counted(new_api, tmp_path):
    """Bounded memory: a flood is answered, and captured as far as there is room."""
    narrow = tmp_path / "narrow.py"
    narrow.write_text("""
import sys
from dataclasses import replace
from mlops_assets.sagemaker_local import __main__
config = __main__._config
__main__._config = lambda a: replace(config(a), capture_queue_bytes=3000, capture_flush_s=60.0)
sys.exit(__main__.main())
""")
    api = new_api(program=(str(narrow),))
    captured(api, "flood")
    for _ in range(20):
        api.invoke("flood")
    assert count(api, "flood", "CaptureRecordsLost") == 15
    api.end()
    assert len(records(api, "flood")) == 5
