"""Thousands of spoiled bodies in every type: answered or refused, never a failure of the server."""

from __future__ import annotations

import random
import secrets

import orjson
import pytest

from mlops_assets.containers.handle import ArtifactHandler, Request
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets_tests.containers.test_container_process import in_every_type

PIECES = [
    *(b"", b",", b"\n", b"\r\n", b'"', b"{", b"[", b"]", b"}", b"null", b"true", b"NaN", b"1e999"),
    *(b"-", b"\x00", b"\xff\xff\xff\xff", b"\xed\xa0\x80", b"\\ud800", b"9" * 400, b"[" * 200),
    *(b"\xef\xbb\xbf", b"ARROW1", b"PAR1", b"\x93NUMPY\x01\x00", b"\x7f\xff\xff\xff", b"distance"),
]


def spoiled(body: bytes, chance: random.Random) -> bytes:
    """The body after one to four changes."""
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(body) + 1), chance.choice((0, 1, 2, 4, 16, 200))
        piece = chance.choice(
            [*PIECES, chance.randbytes(chance.choice((1, 2, 4))), body[:at][-20:]]
        )
        body = body[:at] + piece + body[at + length :]
    return body


@pytest.mark.integration
def test_ten_thousand_spoiled_bodies(artifact: Artifact) -> None:
    """Guards against a 500, a crash, an exception or an answer that is no reply, for a body that
    nobody thought of; alone and in a batch."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    handler = ArtifactHandler(artifact)
    whole = [
        each for rows in (1, 3, 90) for types in in_every_type(rows).values() for each in types
    ]
    statuses: dict[int, int] = {}
    for _ in range(2_500):
        batch = []
        for _ in range(4):
            kind, body = chance.choice(whole)
            kind = chance.choice(whole)[0] if chance.random() < 0.1 else kind
            batch.append(Request(kind, "", spoiled(body, chance)))
        together = handler.handle_many(batch)
        for request, reply in zip(batch, together, strict=True):
            alone = handler.handle(*request)
            assert alone.status in (200, 400, 413), (request, alone)
            assert (alone.status, alone.rows) == (reply.status, reply.rows), (request, alone, reply)
            content = orjson.loads(reply.body)
            assert content.get("error") or len(content["predictions"]) == reply.rows
            assert b"Traceback" not in reply.body
            assert b"/" not in reply.body or reply.status == 400
            statuses[alone.status] = statuses.get(alone.status, 0) + 1
    assert statuses[200] > 50
    assert statuses[400] > 500
