"""Whose connection it is: asked once for each, never answered for another."""

import pytest

from mlops_assets.sagemaker_local import peers


def connection(port: int) -> tuple[str, int]:
    """An address object of its own, as the server makes one for each connection."""
    return ("127.0.0.1", int(str(port)))


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the kernel; connections in ``foreign`` are another user's."""

    class Asked(list):
        foreign: list

    seen = Asked()
    seen.foreign = []

    def is_foreign(client, port):
        seen.append(client)
        return any(client is one for one in seen.foreign)

    monkeypatch.setattr(peers, "is_foreign", is_foreign)
    return seen


def test_a_connection_is_looked_up_once(asked):
    known, mine = peers.Peers(), connection(40_000)
    assert [known.is_foreign(mine, 80) for _ in range(3)] == [False] * 3
    assert len(asked) == 1


def test_a_port_that_another_user_took_over_is_noticed(asked):
    """The same number, another connection: remembering ports would let it in."""
    known, mine, theirs = peers.Peers(), connection(40_000), connection(40_000)
    asked.foreign.append(theirs)
    assert mine == theirs
    assert not known.is_foreign(mine, 80)
    assert known.is_foreign(theirs, 80)
    assert known.is_foreign(theirs, 80), "a refusal is not remembered as anything else"


def test_only_so_many_are_remembered(asked):
    known = peers.Peers()
    for port in range(3000):
        known.is_foreign(connection(port), 80)
    assert len(known._own) <= 1024
