"""The connection to a model server: whole replies, or an error that says whether to ask again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mlops_assets.sagemaker_local.http_client import (
    BrokenAnswer,
    Client,
    NoAnswer,
    NotReached,
    Response,
)

pytestmark = pytest.mark.integration
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def talk(
    *replies: bytes, then: Callable[[Client], Awaitable[object]], close: bool = True
) -> tuple[object, list[bytes]]:
    """What ``then`` returns of a server that sends one of ``replies`` a request, and its requests.

    ``close``: the connection ends after each reply.
    """
    seen: list[bytes] = []
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            seen.append(data)
            if not left:
                break
            writer.write(left.pop(0))
            await writer.drain()
            if close:
                break
        writer.close()

    async def main() -> object:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = Client("127.0.0.1", server.sockets[0].getsockname()[1])
        try:
            async with asyncio.timeout(20):
                return await then(client)
        finally:
            client.close()
            server.close()

    return asyncio.run(main()), seen


async def ask(client: Client, limit: int = 100) -> Response:
    return await client.request("POST", "/invocations", {"accept": "text/csv"}, b"1,2", limit)


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (OK, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_a_whole_reply_is_read_however_it_is_framed(reply, body):
    """A model server may be anyone's: every framing that HTTP allows must come through."""
    found, (request,) = talk(reply, then=ask)
    assert isinstance(found, Response)
    assert found.body == body
    assert request.startswith(b"POST /invocations HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    assert request.endswith(b"\r\n\r\n1,2")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"", NoAnswer),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\nconte", BrokenAnswer),
        (b"nonsense\r\n\r\n", BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n" + b"x" * 101, BrokenAnswer),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101, BrokenAnswer),
    ],
)
def test_a_reply_that_is_not_whole_is_an_error(reply, error):
    """Half an answer must not pass for one; only if none began may the request be sent again."""
    with pytest.raises(error) as caught:
        talk(reply, then=ask)
    assert isinstance(caught.value, NoAnswer) == (error is NoAnswer)


def test_connections_are_kept_and_replaced_when_they_have_ended():
    """A server that closes idle connections must not cost a request."""

    async def twice(client: Client) -> object:
        first = await ask(client)
        await asyncio.sleep(0.05)
        return first.body + (await ask(client)).body

    for close in (True, False):
        found, seen = talk(OK, OK, then=twice, close=close)
        assert (found, len(seen)) == (b"okok", 2)


def test_nobody_there_is_told_from_no_answer():
    """Not sent at all: it may be sent again as often as patience allows."""

    async def main() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(NotReached):
            await ask(Client("127.0.0.1", port))

    asyncio.run(main())


def test_a_connection_given_up_is_not_used_again():
    """The late answer to a request that ran out of time must not be the next one's answer."""

    async def late(client: Client) -> object:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ask(client)
        return (await ask(client)).body

    found, seen = talk(b"HTTP/1.1 200 OK\r\n", OK, then=late, close=False)
    assert (found, len(seen)) == (b"ok", 2)
