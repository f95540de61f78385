"""Batch transform: really executed, in order, whole or not at all."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.transform_api import (
    model,
    outputs,
    request,
    requests,
    transform,
    wait,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def tens(api: LocalApi) -> str:
    return model(api, "tens")


def lines(values) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


def test_order_is_kept_over_many_payloads_and_objects(api: LocalApi):
    """An answer on another record's line is a wrong prediction that nothing shows."""
    uneven = model(api, "uneven", "lag=0.01")
    job = request("order", uneven, BatchStrategy="SingleRecord", MaxConcurrentTransforms=8)
    ended = transform(api, job, a=lines(range(150)), b=lines(range(500, 520)))
    assert ended["TransformJobStatus"] == "Completed", ended
    found = outputs(api, "order")
    assert found == {
        "a.out": lines(10 * n for n in range(150)),
        "b.out": lines(10 * n for n in range(500, 520)),
    }
    seen = requests(api, "order")
    assert len(seen) == 170
    assert 2 <= max(each["busy"] for each in seen) <= 8
    assert ended["TransformEndTime"] >= ended["TransformStartTime"]


def test_records_fill_payloads_up_to_the_limit(api: LocalApi, tens: str):
    """Payloads over the limit are refused by containers; one record a payload is slow."""
    rows = [f"{n},{'x' * 1000}" for n in range(3000)]
    job = request("payloads", tens, MaxPayloadInMB=1, BatchStrategy="MultiRecord")
    ended = transform(api, job, rows=lines(rows))
    assert ended["TransformJobStatus"] == "Completed", ended
    assert outputs(api, "payloads")["rows.out"] == lines(10 * n for n in range(3000))
    seen = requests(api, "payloads")
    assert len(seen) == 3
    assert max(each["bytes"] for each in seen) <= 2**20
    assert sum(each["records"] for each in seen) == 3000


def test_an_object_can_be_one_payload(api: LocalApi, tens: str):
    job = request("whole", tens, source={"SplitType": "None"}, output={"AssembleWith": "None"})
    ended = transform(api, job, rows=b"1\n2\n3")
    assert ended["TransformJobStatus"] == "Completed", ended
    assert outputs(api, "whole") == {"rows.out": b"10\n20\n30"}
    assert [each["records"] for each in requests(api, "whole")] == [3]


def test_columns_are_left_out_and_answers_joined(api: LocalApi, tens: str):
    """The documented use: keep the id, score the rest, write both."""
    job = request(
        "joined",
        tens,
        output={"Accept": "text/csv"},
        DataProcessing={
            "InputFilter": "$[1:]",
            "JoinSource": "Input",
            "OutputFilter": "$[0,-1]",
        },
    )
    ended = transform(api, job, rows=b'"a,1",5,x\nb,7,"y ""z"""\n')
    assert ended["TransformJobStatus"] == "Completed", ended
    assert outputs(api, "joined") == {"rows.out": b'"a,1",50\nb,70\n'}


def test_json_lines_are_joined_under_the_services_name(api: LocalApi, tens: str):
    job = request(
        "json-lines",
        tens,
        source={"ContentType": "application/jsonlines"},
        output={"Accept": "application/jsonlines"},
        DataProcessing={"InputFilter": "$.features", "JoinSource": "Input"},
    )
    rows = [{"id": n, "features": {"x": n}} for n in range(5)]
    ended = transform(api, job, rows=lines(map(json.dumps, rows)))
    assert ended["TransformJobStatus"] == "Completed", ended
    found = [json.loads(line) for line in outputs(api, "json-lines")["rows.out"].splitlines()]
    assert found == [row | {"SageMakerOutput": {"score": row["id"] * 10}} for row in rows]


def test_a_json_document_is_one_record(api: LocalApi, tens: str):
    job = request(
        "document",
        tens,
        source={"ContentType": "application/json", "SplitType": "None"},
        output={"Accept": "application/json", "AssembleWith": "None"},
        DataProcessing={"OutputFilter": "$['score']"},
    )
    ended = transform(api, job, row=b'{"x": 4}')
    assert ended["TransformJobStatus"] == "Completed", ended
    assert outputs(api, "document") == {"row.out": b"40"}


def test_the_container_says_how_it_wants_to_be_asked(api: LocalApi):
    """/execution-parameters counts where the request says nothing, and only there."""
    said = {"MaxConcurrentTransforms": 3, "BatchStrategy": "SingleRecord", "MaxPayloadInMB": 1}
    told = model(api, "told", "lag=0.05", f"parameters={json.dumps(said, separators=(',', ':'))}")
    transform(api, request("told", told), rows=lines(range(30)))
    seen = requests(api, "told")
    assert len(seen) == 30
    assert 2 <= max(each["busy"] for each in seen) <= 3
    transform(api, request("untold", told, BatchStrategy="MultiRecord"), rows=lines(range(30)))
    assert [each["records"] for each in requests(api, "untold")] == [30]


def test_environment_reaches_the_container(api: LocalApi, tens: str):
    transform(api, request("word", tens, Environment={"WORD": "hello"}), rows=b"1\n")
    assert [each["word"] for each in requests(api, "word")] == ["hello"]


def test_a_bad_record_fails_the_job_by_name(api: LocalApi, tens: str):
    """A job that skips what it cannot score, or fails without a word, hides wrong data."""
    job = request("bad-record", tens, BatchStrategy="SingleRecord")
    ended = transform(api, job, a=lines(range(20)), b=b"1\nbad\n3\n", c=b"1\n")
    assert ended["TransformJobStatus"] == "Failed"
    reason = ended["FailureReason"]
    assert reason.startswith(
        "ClientError: s3://inputs/bad-record/b, record 2: the container answered"
    )
    assert "400: no number" in reason
    # The object before was answered whole and is kept, as SageMaker does; of b there is nothing.
    assert outputs(api, "bad-record") == {"a.out": lines(10 * n for n in range(20))}


def test_answers_that_do_not_match_their_records_are_not_joined(api: LocalApi, tens: str):
    """Shifted by one, every joined row would be wrong."""
    job = request(
        "short", tens, output={"Accept": "text/csv"}, DataProcessing={"JoinSource": "Input"}
    )
    ended = transform(api, job, rows=b"1\n2\n\n")  # the container answers no line for a blank one
    assert ended["TransformJobStatus"] == "Failed"
    assert "cannot be joined" in ended["FailureReason"] or "400" in ended["FailureReason"]


def test_server_errors_are_asked_again_as_often_as_said(api: LocalApi):
    """Without a retry one hiccup costs hours of work; with no bound, a dead model never ends."""
    flaky = model(api, "flaky", "flaky=2")
    ended = transform(api, request("retried", flaky), rows=b"1\n")
    assert ended["TransformJobStatus"] == "Completed", ended
    client = {"InvocationsMaxRetries": 1, "InvocationsTimeoutInSeconds": 10}
    ended = transform(api, request("given-up", flaky, ModelClientConfig=client), rows=b"1\n")
    assert ended["TransformJobStatus"] == "Failed"
    assert "the container answered 503: not yet" in ended["FailureReason"]


def test_a_record_that_ends_the_model_server_fails_the_job(api: LocalApi, tens: str):
    """A record that kills each server it meets must not be sent for ever."""
    client = {"InvocationsMaxRetries": 1, "InvocationsTimeoutInSeconds": 10}
    ended = transform(api, request("crash", tens, ModelClientConfig=client), rows=b"crash\n")
    assert ended["TransformJobStatus"] == "Failed"
    assert ended["FailureReason"].startswith("AlgorithmError: s3://inputs/crash/rows, record 1")
    assert outputs(api, "crash") == {}


def test_a_late_answer_counts_as_none(api: LocalApi):
    slow = model(api, "too-slow", "lag=3")
    client = {"InvocationsMaxRetries": 0, "InvocationsTimeoutInSeconds": 1}
    ended = transform(api, request("late", slow, ModelClientConfig=client), rows=b"1\n")
    assert ended["TransformJobStatus"] == "Failed"
    assert "no answer within 1 s" in ended["FailureReason"]


def test_no_input_is_a_failure(api: LocalApi, tens: str):
    ended = transform(api, request("nothing", tens))
    assert "No S3 objects found" in ended["FailureReason"]


def test_a_stopped_job_stores_nothing(api: LocalApi):
    """Half an output under a final name would be taken for all of it."""
    slow = model(api, "slow-records", "lag=0.2")
    job = request("stopped", slow, BatchStrategy="SingleRecord")
    api.objects.write("s3://inputs/stopped/rows", lines(range(500)))
    api.sm.create_transform_job(**job)
    eventually(lambda: (api.home / "transforms" / "stopped" / "out").exists())
    api.sm.stop_transform_job(TransformJobName="stopped")
    assert wait(api, "stopped")["TransformJobStatus"] == "Stopped"
    assert outputs(api, "stopped") == {}
    with pytest.raises(ClientError, match="in status Stopped"):
        api.sm.stop_transform_job(TransformJobName="stopped")
    names = [
        job["TransformJobName"]
        for job in api.sm.list_transform_jobs(StatusEquals="Stopped")["TransformJobSummaries"]
    ]
    assert names == ["stopped"]


def test_a_killed_server_says_what_became_of_its_jobs(new_api):
    """InProgress for ever, or Completed without outputs, would both be lies."""
    api = new_api("--job-workers", "1")
    slow = model(api, "slow-records", "lag=0.2")
    for name in ("running", "waiting"):
        api.objects.write(f"s3://inputs/{name}/rows", lines(range(20)))
        api.sm.create_transform_job(**request(name, slow, BatchStrategy="SingleRecord"))
    eventually(lambda: (api.home / "transforms" / "running" / "out").exists())
    api.end(kill=True)
    api.start()
    assert "stopped or killed" in wait(api, "running")["FailureReason"]
    assert outputs(api, "running") == {}
    assert wait(api, "waiting")["TransformJobStatus"] == "Completed"
    assert outputs(api, "waiting") == {"rows.out": lines(10 * n for n in range(20))}


NEWEST_FIRST = """
import collections
from mlops_assets.sagemaker_local.transforming import transform_run
class Stack(collections.deque):
    popleft = collections.deque.pop
transform_run.deque = Stack
from mlops_assets.sagemaker_local.__main__ import main
main()
"""


def test_without_waiting_in_order_answers_would_be_mixed_up(new_api):
    """The negative control of the order: answers taken as they lie stand on wrong lines."""
    api = new_api(program=("-c", NEWEST_FIRST))
    name = model(api, "mixed")
    job = request("mixed", name, BatchStrategy="SingleRecord", MaxConcurrentTransforms=8)
    transform(api, job, rows=lines(range(100)))
    assert outputs(api, "mixed").get("rows.out") != lines(10 * n for n in range(100))
