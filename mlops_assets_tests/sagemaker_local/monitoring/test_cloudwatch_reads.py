"""Logs of jobs and endpoints, read as a CloudWatch Logs client reads them."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests import aws_server
from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually

pytestmark = pytest.mark.integration

GROUP = "/aws/sagemaker/TrainingJobs"


def stream(api: LocalApi, job: str) -> str:
    found = api.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=job)
    (described,) = found["logStreams"]
    return described["logStreamName"]


@pytest.fixture(scope="module")
def lines(api: LocalApi) -> str:
    """A job that has logged 25 lines; returns its stream's name."""
    api.train("lines", "for n in range(25): print('line', n)")
    return stream(api, "lines")


def test_following_the_tokens_sees_each_line_once(api: LocalApi, lines):
    """Live logs in the Dagster run: a line lost or repeated at a page's border."""
    seen, token = [], None
    while True:
        more = {} if token is None else {"nextToken": token}
        page = api.logs.get_log_events(
            logGroupName=GROUP, logStreamName=lines, startFromHead=True, limit=10, **more
        )
        seen += [event["message"] for event in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert seen == [f"line {n}" for n in range(25)]


def test_without_start_from_head_the_last_lines_come(api: LocalApi, lines):
    """The tail of a failed job's log is what goes into the error."""
    page = api.logs.get_log_events(logGroupName=GROUP, logStreamName=lines, limit=3)
    assert [event["message"] for event in page["events"]] == ["line 22", "line 23", "line 24"]
    before = api.logs.get_log_events(
        logGroupName=GROUP, logStreamName=lines, limit=2, nextToken=page["nextBackwardToken"]
    )
    assert [event["message"] for event in before["events"]] == ["line 20", "line 21"]


def test_lines_can_be_read_while_the_job_runs(api: LocalApi):
    """Progress seen only after the end is not progress."""
    script = "import time; print('first'); time.sleep(600)"
    api.sm.create_training_job(**api.request("live", script))
    api.wait_for_line("live", "first")
    assert api.describe("live")["TrainingJobStatus"] == "InProgress"
    api.sm.stop_training_job(TrainingJobName="live")


def test_a_last_line_without_newline_is_kept(api: LocalApi):
    """The one line that says why it died often has no newline."""
    api.train("cut-off", "import sys; sys.stdout.write('all is'); sys.stderr.write(' lost')")
    assert "".join(api.lines("cut-off")) == "all is lost"


def test_filter_by_words_and_time(api: LocalApi, lines):
    found = api.logs.filter_log_events(
        logGroupName=GROUP, logStreamNamePrefix="lines/", filterPattern='"line 2"'
    )
    assert [e["message"] for e in found["events"]] == ["line 2", *(f"line 2{n}" for n in range(5))]
    empty = api.logs.filter_log_events(logGroupName=GROUP, logStreamNames=[lines], endTime=1)
    assert empty["events"] == []
    with pytest.raises(ClientError, match="InvalidParameterException"):
        api.logs.filter_log_events(logGroupName=GROUP, filterPattern="{ $.x = 1 }")


def test_streams_of_an_endpoint(api: LocalApi):
    """A model server that does not start says why in its log, found by the endpoint's name."""
    api.model("mute", "bad")
    api.deploy("mute", "mute")
    group = "/aws/sagemaker/Endpoints/mute"
    assert group in [g["logGroupName"] for g in api.logs.describe_log_groups()["logGroups"]]
    found = api.logs.filter_log_events(logGroupName=group)
    assert [event["message"] for event in found["events"]] == ["cannot load the model"]


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("/aws/none", "a"),
        (GROUP, "none"),
        ("/../..", "a"),
        (GROUP, "../../../../state"),
        ("/aws/sagemaker/../..", "server"),
    ],
)
def test_names_that_are_not_there_or_reach_outside(api: LocalApi, lines, group, name):
    """Log names come from requests: they must not open other files of the machine."""
    with pytest.raises(api.logs.exceptions.ResourceNotFoundException):
        api.logs.get_log_events(logGroupName=group, logStreamName=name)


@pytest.mark.parametrize("token", ["x", "f/", "f/-1", "f/3", "b/99999999"])
def test_made_up_tokens_are_harmless(api: LocalApi, lines, token):
    """A token of another server must not crash this one."""
    try:
        api.logs.get_log_events(logGroupName=GROUP, logStreamName=lines, nextToken=token)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidParameterException"  # noqa: PT017


def test_lines_are_sent_on_to_another_cloudwatch(new_api, monkeypatch):
    """In the cloud environment's tests the logs are read from the rest of AWS, not from here."""
    with aws_server.aws_server() as url:
        api = new_api_with_push(new_api, monkeypatch, url)
        api.train("sent", "print('over there')")
        logs = boto3.client("logs", endpoint_url=url, region_name=aws_server.REGION)

        def messages():
            try:
                found = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix="sent/")
            except logs.exceptions.ResourceNotFoundException:
                return []
            return [event["message"] for event in found["events"]]

        assert eventually(messages) == ["over there"]
        assert api.lines("sent") == ["over there"]


def new_api_with_push(new_api, monkeypatch, url: str) -> LocalApi:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws_server.KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws_server.KEY)
    return new_api()
