"""Alerts reach a real web server and SNS, once a while, and neither failure nor secret gets out."""

import dataclasses
import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mlops_assets.resources.monitoring.alerts import Alert, AlertChannels
from mlops_assets.resources.records import Store
from mlops_assets_tests.aws_server import aws_server, environment

NOW = dt.datetime(2024, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ALERT = Alert(
    level="page", pipeline="flights", title="performance of 2024-02 is failing",
    evidence={"log_loss": "0.61 (bound ≤ 0.53)"}, next_step="look at flights/performance",
)  # fmt: skip


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(bucket="lake", objects=f"dir:{tmp_path}")


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict]]]:
    """The address of a server on this machine, and what it was sent."""
    received: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/services/T0/s3cret", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(channels: AlertChannels, store: Store, alert=ALERT, now=NOW) -> list[str]:
    return channels.send(store, alert, repeat_after=DAY, now=now)


def test_a_webhook_is_told_what_happened_with_evidence_and_next_step(store):
    with webhook() as (address, received):
        assert send(AlertChannels(webhook=address), store) == ["log", "webhook"]
    (body,) = received
    assert set(body) == {"text"}, "Slack's form"
    assert "flights: performance of 2024-02 is failing" in body["text"]
    assert "log_loss: 0.61 (bound ≤ 0.53)" in body["text"]
    assert "Next: look at flights/performance" in body["text"]


def test_the_same_is_told_again_only_after_a_while_and_another_at_once(store):
    """A page a minute is a page that nobody reads."""
    with webhook() as (address, received):
        channels = AlertChannels(webhook=address)
        send(channels, store)
        # Another process: nothing is remembered but by the store.
        assert send(AlertChannels(webhook=address), store, now=NOW + DAY / 2) == []
        assert send(channels, store, dataclasses.replace(ALERT, title="other")) != []
        assert send(channels, store, now=NOW + DAY) != []
    assert len(received) == 3


def test_of_two_daemons_one_tells(store):
    with webhook() as (address, received):
        gate = threading.Barrier(6)

        def tell() -> None:
            gate.wait()
            send(AlertChannels(webhook=address), store)

        threads = [threading.Thread(target=tell) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(received) == 1


@pytest.mark.parametrize("status", [500, 302])
def test_a_channel_that_fails_fails_nothing_and_is_tried_again(store, status, caplog):
    """A webhook that is down must lose neither the alert nor the sensor; nor may it send elsewhere
    what it was told."""
    with webhook(status) as (address, received):
        channels = AlertChannels(webhook=address)
        assert send(channels, store) == ["log"]
        assert send(channels, store, now=NOW + dt.timedelta(minutes=1)) == [], "not at once"
        send(channels, store, now=NOW + dt.timedelta(minutes=6))
        assert len(received) == 2
    with webhook() as (address, received):
        # Up again, at whatever address.
        later = NOW + dt.timedelta(minutes=12)
        assert send(AlertChannels(webhook=address), store, now=later) == ["webhook"]
        assert len(received) == 1


def test_the_address_is_a_secret(store, caplog, tmp_path):
    """Who reads the webhook's address in a log, a repr or a record can write to the channel."""
    address = "http://127.0.0.1:1/services/T0/s3cret"
    channels = AlertChannels(webhook=address)
    assert send(channels, store) == ["log"]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "s3cret" not in caplog.text + repr(channels) + kept.decode()
    assert "alert on webhook failed" in caplog.text


def test_only_https_or_this_machine(store, caplog):
    """Over plain HTTP the secret and the figures would be anybody's."""
    assert send(AlertChannels(webhook="http://example.com/s3cret"), store) == ["log"]
    assert "neither https nor on this machine" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.integration
def test_a_topic_is_told(store, monkeypatch):
    import boto3

    with aws_server() as url:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        sns, sqs = boto3.client("sns"), boto3.client("sqs")
        topic = sns.create_topic(Name="alerts")["TopicArn"]
        queue = sqs.create_queue(QueueName="people")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        assert send(AlertChannels(topic_arn=topic), store) == ["log", "sns"]
        (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
        told = json.loads(message["Body"])
        assert told["Subject"] == "[page] flights: performance of 2024-02 is failing"
        assert "Next: look at flights/performance" in told["Message"]
        # A topic that is gone fails nothing.
        sns.delete_topic(TopicArn=topic)
        other = dataclasses.replace(ALERT, title="other")
        assert send(AlertChannels(topic_arn=topic), store, other) == ["log"]
