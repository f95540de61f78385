"""Features read by entity key give the same answers as full rows, exactly."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from mlops_assets.containers.reply import JSON
from mlops_assets_tests.containers.online.online_world import (
    BODIES,
    COLUMNS,
    GROUP,
    KEY,
    KNOWN,
    NOW,
    ROWS,
    answers,
    ask,
    online,
    only,
)
from mlops_assets_tests.ml.artifact import trained

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("content_type", BODIES)
def test_keys_alone_give_exactly_the_answers_of_full_rows(handler, reads, rows, content_type):
    """Train/serve skew by a rounded float, a lost digit, or one entity's features for another."""
    full = answers(ask(handler, content_type, [only(r, *trained.FEATURES) for r in rows]))
    assert reads.asked == [], "full rows must cost no read"
    keyed = answers(ask(handler, content_type, [only(r, *KEY, *KNOWN) for r in rows]))
    assert keyed == full
    assert reads.asked == [100, 100, 50], "one batch for each hundred rows"
    assert len(set(full)) > ROWS // 2, "the rows must be told apart by their answers"


def test_one_batch_a_request_and_each_entity_once(handler, reads, rows):
    answers(ask(handler, "application/json", [only(r, *KEY, *KNOWN) for r in rows[:7] * 10]))
    assert reads.asked == [7]


@pytest.mark.parametrize("content_type", BODIES)
def test_keys_are_no_extra_columns_where_those_are_refused(artifact, reads, rows, content_type):
    """Neither beside full rows, which may bring them along, nor alone."""
    handler = online(artifact, reads.client, refuses_extra=True)
    full = answers(ask(handler, content_type, [only(r, *trained.FEATURES) for r in rows[:3]]))
    assert answers(ask(handler, content_type, rows[:3])) == full
    assert reads.asked == []
    assert answers(ask(handler, content_type, [only(r, *KEY, *KNOWN) for r in rows[:3]])) == full
    strange = [only(r, *KEY, *KNOWN) | {"colour": "red"} for r in rows[:3]]
    assert ask(handler, content_type, strange).status == 400


def test_a_caller_that_knows_better_is_believed_column_by_column(handler, reads, rows):
    """What the caller sends wins over the store, a null included; the rest is read."""
    some = {**only(rows[1], *KEY, *KNOWN), "delay": 300.0, "wind": None}
    other = only(rows[2], *trained.FEATURES)
    got = answers(ask(handler, "application/json", [some, other]))
    whole = {**only(rows[1], *trained.FEATURES), "delay": 300.0, "wind": None}
    assert got == answers(ask(handler, "application/json", [whole, other]))
    assert reads.asked == [1]


def test_an_unknown_entity_has_missing_features_and_is_counted(handler, rows):
    stranger = {**only(rows[0], *KNOWN), "flight": "nobody", "day": 1}
    reply = ask(handler, "application/json", [stranger])
    nothing = {**only(rows[0], *KNOWN), **dict.fromkeys(COLUMNS)}
    assert answers(reply) == answers(ask(handler, "application/json", [nothing]))
    assert reply.cause == "online_missing"
    assert ask(handler, "application/json", [only(rows[0], *KEY, *KNOWN)]).cause == ""


@pytest.mark.parametrize(("age", "cause"), [(60, ""), (61, "online_stale")])
def test_old_records_count_as_missing(artifact, reads, rows, age, cause):
    handler = online(artifact, reads.client, clock=NOW + age, max_age_s=60)
    keyed = ask(handler, "application/json", [only(rows[1], *KEY, *KNOWN)])
    assert keyed.cause == cause
    full = only(rows[1], *trained.FEATURES) | (dict.fromkeys(COLUMNS) if cause else {})
    assert answers(keyed) == answers(ask(handler, "application/json", [full]))


def test_what_the_service_leaves_unprocessed_is_asked_for_again(artifact, reads, rows):
    left_out = []

    def postpone(parsed: dict[str, Any], **_: Any) -> None:
        if not left_out:
            left_out.append(parsed["Records"].pop()["RecordIdentifierValueAsString"])
            parsed["UnprocessedIdentifiers"] = [
                {"FeatureGroupName": GROUP, "RecordIdentifiersValueAsString": left_out}
            ]

    reads.client.meta.events.register("after-call.*.BatchGetRecord", postpone)
    handler = online(artifact, reads.client)
    keyed = answers(ask(handler, "application/json", [only(r, *KEY, *KNOWN) for r in rows[:9]]))
    assert reads.asked == [9, 1]
    full = [only(r, *trained.FEATURES) for r in rows[:9]]
    assert keyed == answers(ask(handler, "application/json", full))


def test_the_served_process_reads_from_the_store(api, rows, model, servers):
    """The whole way: environment, threads of the front, metrics."""
    settings = {"group": GROUP, "key": KEY, "columns": COLUMNS, "max_age_s": None}
    server = servers.start(
        model,
        MLOPS_ONLINE=json.dumps(settings),
        AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME=api.url,
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        AWS_REGION="us-east-1",
    )
    keyed, full = (
        server.post(json.dumps([only(r, *names, *KNOWN) for r in rows[:20]]).encode(), JSON)
        for names in (KEY, COLUMNS)
    )
    assert keyed.status_code == full.status_code == 200
    assert keyed.content == full.content
    server.post(json.dumps([{**only(rows[0], *KNOWN), "flight": "nobody", "day": 1}]), JSON)
    metrics = requests.get(f"{server.url}/metrics", timeout=30).text
    assert 'mlops_requests_total{status="200",cause="online_missing"} 1' in metrics
