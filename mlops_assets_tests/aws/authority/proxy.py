"""AWS's front door on loopback: each request is judged, then refused or passed on.

Here: HTTP, and refusals in the form of each protocol. Not here: the judgement (roles, grants,
credentials). One `Authority` has a port for each server behind it.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from mlops_assets_tests.aws.authority.credentials import Credentials, CredentialsRefused
from mlops_assets_tests.aws.authority.grant import Grant, Place
from mlops_assets_tests.aws.authority.grants import grants
from mlops_assets_tests.aws.authority.operations import (
    Operation,
    Request,
    UnknownRequest,
    operation,
)
from mlops_assets_tests.aws.authority.roles import Roles

_CREDENTIALS = "/-/credentials/"
_OF_THE_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}
_CONNECTION_S = 300


class Refused(Exception):
    """The request is not answered; ``code`` and the text are AWS's."""

    def __init__(self, code: str, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.code, self.status = code, status


class Authority:
    """Who may what, and what was asked: shared by all ports.

    ``refused`` and ``unknown`` hold a line for each request that was not answered; ``made`` holds
    what was asked for of the answered ones that make something in SageMaker.
    """

    def __init__(self, roles: Roles, place: Place) -> None:
        self.roles, self.place = roles, place
        self.credentials = Credentials()
        self.refused: list[str] = []
        self.unknown: list[str] = []
        self.made: list[Operation] = []
        self.answered = 0

    def admit(self, request: Request) -> None:
        """Return if the request may be answered.

        Raises:
            Refused: no or expired credentials, a permission that is missing, an unknown request.
        """
        try:
            role, service = self.credentials.owner(request)
            asked = operation(request, service)
            needed = grants(asked, request, self.place)
        except CredentialsRefused as error:
            self.refused.append(f"{error.code}: {error}")
            raise Refused(error.code, str(error)) from error
        except (UnknownRequest, KeyError) as error:
            text = f"the tests' IAM does not know this request: {error!r}"
            self.unknown.append(text)
            raise Refused("UnknownOperationException", text, 400) from error
        for grant in needed:
            if not self.roles.allow(grant.role or role, grant):
                text = _sentence(grant, grant.role or role, self.place)
                self.refused.append(text)
                raise Refused("AccessDeniedException", text)
        if asked.service == "sagemaker" and asked.name.startswith("Create"):
            self.made.append(asked)
        self.answered += 1


def _sentence(grant: Grant, role: str, place: Place) -> str:
    return (
        f"User: arn:aws:sts::{place.account}:assumed-role/{role}/tests is not authorized to "
        f"perform: {grant.action} on resource: {grant.resource} because no identity-based policy "
        f"allows the {grant.action} action"
    )


@contextmanager
def in_front_of(server: str, authority: Authority) -> Iterator[str]:
    """The URL of a proxy before a server, for as long as the context lasts."""

    class Handler(_Handler):
        upstream = urlsplit(server)
        judge = authority

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}"
        finally:
            proxy.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """A connection of a client, and one of ours behind it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = _CONNECTION_S
    upstream: Any
    judge: Authority

    def setup(self) -> None:
        super().setup()
        self._behind = http.client.HTTPConnection(
            self.upstream.hostname, self.upstream.port, timeout=_CONNECTION_S
        )

    def finish(self) -> None:
        self._behind.close()
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Nothing: a client that leaves is no news, and what is refused the authority notes."""

    def handle_expect_100(self) -> bool:
        """Written at once: a client waits a second for it before it sends a body."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _answer(self) -> None:
        request = Request(self.command, self.path, dict(self.headers.items()), self._read())
        if self.path.startswith(_CREDENTIALS):
            self._give_credentials()
            return
        try:
            self.judge.admit(request)
        except Refused as error:
            self._send(error.status, *_refusal(request, error))
            return
        self._pass_on(request)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _give_credentials(self) -> None:
        try:
            document = self.judge.credentials.issue(self.path.removeprefix(_CREDENTIALS))
        except CredentialsRefused as error:
            self._send(500, {"content-type": "text/plain"}, str(error).encode())
            return
        self._send(200, {"content-type": "application/json"}, json.dumps(document).encode())

    def _pass_on(self, request: Request) -> None:
        kept = {k: v for k, v in request.headers.items() if k.lower() not in _OF_THE_HOP}
        if request.body or request.method in ("POST", "PUT"):
            kept["Content-Length"] = str(len(request.body))
        # A server ends idle connections when it wants to: a request that it has not read may go out
        # once more.
        for last in (False, True):
            try:
                self._behind.request(request.method, request.path, request.body or None, kept)
                reply = self._behind.getresponse()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._behind.close()
                if last:
                    raise
        body = reply.read()
        headers = {k: v for k, v in reply.getheaders() if k.lower() not in _OF_THE_HOP}
        length = reply.headers["Content-Length"] if request.method == "HEAD" else None
        self._send(reply.status, headers, body, length)

    def _send(
        self, status: int, headers: dict[str, str], body: bytes, length: str | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)


def _refusal(request: Request, error: Refused) -> tuple[dict[str, str], bytes]:
    """The error as the service's protocol has it: XML for S3 and Query, JSON for the others."""
    text, signed = str(error), request.header("authorization")
    if "/s3/aws4_request" in signed or not signed:
        code = error.code.removesuffix("Exception")
        body = f"<Error><Code>{code}</Code><Message>{escape(text)}</Message></Error>"
        return {"content-type": "application/xml"}, body.encode()
    if request.header("content-type").startswith("application/x-www-form-urlencoded"):
        inner = f"<Code>{error.code}</Code><Message>{escape(text)}</Message>"
        body = f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>"
        return {"content-type": "text/xml"}, body.encode()
    kind = {"x-amzn-errortype": error.code, "x-amzn-query-error": f"{error.code};Sender"}
    return {"content-type": "application/json", **kind}, json.dumps(
        {"__type": error.code, "message": text}
    ).encode()
