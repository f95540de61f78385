"""The tail of a job's log, against moto's CloudWatch Logs: nothing lost, nothing twice."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from mlops_assets.resources.sagemaker.logs import TRAINING_LOG_GROUP, LogTail

NOW = 1_790_000_000_000


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("logs", region_name="us-east-1")


def put(logs: Any, stream: str, *texts: str) -> None:
    import time

    events = [{"timestamp": int(time.time() * 1000), "message": text} for text in texts]
    logs.put_log_events(logGroupName=TRAINING_LOG_GROUP, logStreamName=stream, logEvents=events)


def read(tail: LogTail) -> list[str]:
    return [f"{line.host}: {line.text}" for line in tail.read()]


def test_lines_come_once_and_in_order_however_often_one_looks(logs: Any) -> None:
    tail = LogTail(lambda: logs, "job")
    assert read(tail) == []  # no group yet: the first job of an account
    logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
    assert read(tail) == []  # no stream yet: the job is starting
    for stream in ("job/algo-1-170", "job-2/algo-1-170"):
        logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName=stream)
    put(logs, "job-2/algo-1-170", "of another attempt")
    put(logs, "job/algo-1-170", "one", "two")
    assert read(tail) == ["algo-1: one", "algo-1: two"]
    assert read(tail) == []
    put(logs, "job/algo-1-170", "three")
    assert read(tail) == ["algo-1: three"]
    assert tail.problem is None


def test_a_host_that_joins_later_is_found(logs: Any) -> None:
    logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
    logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName="job/algo-1-1")
    tail = LogTail(lambda: logs, "job")
    assert read(tail) == []
    logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName="job/algo-2-1")
    put(logs, "job/algo-2-1", "second host")
    found = [line for _ in range(20) for line in read(tail)]
    assert found == ["algo-2: second host"]


def test_an_idle_stream_costs_one_call_a_look(logs: Any) -> None:
    """Guards against the busy loop of dagster_aws's reader (1,158 calls in 2 s on a quiet job)."""
    logs.create_log_group(logGroupName=TRAINING_LOG_GROUP)
    logs.create_log_stream(logGroupName=TRAINING_LOG_GROUP, logStreamName="job/algo-1-1")
    put(logs, "job/algo-1-1", "one")
    tail = LogTail(lambda: logs, "job")
    tail.read()
    calls: list[str] = []
    logs.meta.events.register("before-call.logs.*", lambda model, **_: calls.append(model.name))
    for _ in range(30):
        tail.read()
    assert calls.count("GetLogEvents") == 30
    assert calls.count("DescribeLogStreams") == 3


def test_a_log_that_may_not_be_read_is_said_once_and_costs_no_job(logs: Any) -> None:
    from botocore.exceptions import ClientError

    def deny(**_: Any) -> None:
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": "no logs:GetLogEvents"}},
            "DescribeLogStreams",
        )

    logs.meta.events.register("before-call.logs.DescribeLogStreams", deny)
    tail = LogTail(lambda: logs, "job")
    assert read(tail) == []
    assert "no logs:GetLogEvents" in str(tail.problem)
    assert read(tail) == []
