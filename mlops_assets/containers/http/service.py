"""Between the fronts and the engines: which engine answers a path, and whether at all.

Belongs here: routes, the bounds on what is queued, counting every answer. Does not: HTTP's syntax
(protocol.py, asgi.py), the pool (work.py). All of it runs on the event loop: nothing is locked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

import orjson

from mlops_assets.containers.handle import Handler, Request
from mlops_assets.containers.http import http_reply, metrics
from mlops_assets.containers.http.board import Board
from mlops_assets.containers.http.logs import ErrorLines, inference_id
from mlops_assets.containers.http.metrics import Metrics
from mlops_assets.containers.http.work import Done, Route, Ticket, Work, route_of, safely
from mlops_assets.containers.reply import JSON, Reply
from mlops_assets.containers.serve_settings import MIB, ServeSettings

PUBLISH_SECONDS = 0.25

# SageMaker refuses a transform job whose MaxConcurrentTransforms × MaxPayloadInMB is larger.
_TRANSFORM_MB = 100

# More routes than the container's own: method, path → who answers, or the answer.
MoreRoutes = Callable[[str, str], Route | Reply | None]


class Service:
    """What every front serves.

    Without a `handler`, /invocations is not there (multi-model: `more` gives the models' routes).
    """

    def __init__(
        self,
        handler: Handler | None,
        settings: ServeSettings,
        *,
        digest: str = "",
        board: Board | None = None,
        more: MoreRoutes | None = None,
    ) -> None:
        self.settings = settings
        self.invocations = route_of(handler) if handler else None
        self.metrics = Metrics()
        self._digest = digest
        self._board = board
        self._more = more
        self._errors = ErrorLines()
        self._work = Work(settings.threads, settings.deadline, self.metrics, self.count)
        self._loop: asyncio.AbstractEventLoop | None = None
        if board and (left := board.own()):
            self.metrics.restore(metrics.unpack(left))

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that serves; the first call must come from it."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._publish()
        return self._loop

    def route(self, method: str, path: str) -> Route | Reply:
        """Who answers a request with a body, or the answer to one without."""
        if path == "/ping":
            allowed = method in ("GET", "HEAD")
            return http_reply.HEALTHY if allowed else http_reply.not_allowed("GET, HEAD")
        if path == "/invocations" and self.invocations:
            return self.invocations if method == "POST" else http_reply.not_allowed("POST")
        if path in ("/metrics", "/execution-parameters"):
            if method not in ("GET", "HEAD"):
                return http_reply.not_allowed("GET, HEAD")
            return self._exposition() if path == "/metrics" else self._execution_parameters()
        found = self._more(method, path) if self._more else None
        return http_reply.not_found() if found is None else found

    def refusal(self, route: Route, length: int) -> Reply | None:
        """Why a request must not be read: `length` of its body as declared, 0 if it is not.

        What can be answered inline is never refused for the sake of the pool's queue.
        """
        settings, counted = self.settings, self.metrics
        if length > settings.max_body:
            return http_reply.too_large(settings.max_body)
        if length <= route.inline_bytes:
            return None
        full = counted.pending >= settings.queue_limit
        if full or counted.buffered + length > settings.queue_bytes:
            return http_reply.overloaded()
        return None

    def overflow(self, route: Route, size: int) -> Reply | None:
        """Why a body of which `size` bytes have come must not be read on."""
        settings = self.settings
        if size > settings.max_body:
            return http_reply.too_large(settings.max_body)
        if size > route.inline_bytes and self.metrics.buffered > settings.queue_bytes:
            return http_reply.overloaded()
        return None

    def answer(self, route: Route, request: Request, identifier: str) -> Reply:
        """Answer at once, on the event loop."""
        started = perf_counter()
        if identifier:
            token = inference_id.set(identifier)
            reply = safely(route, request)
            inference_id.reset(token)
        else:
            reply = safely(route, request)
        self.count(reply, perf_counter() - started, len(request[2]), identifier)
        return reply

    def submit(self, route: Route, request: Request, identifier: str, done: Done) -> Ticket | None:
        """Have a request answered later, by `done`; None if it was refused, by `done` too.

        The body's bytes are counted as buffered until then; they must not be counted before.
        """
        size = len(request.body)
        inline = size <= route.inline_bytes
        if not inline and (refused := self.refusal(route, size)):
            self.count(refused, 0.0, size, identifier)
            done(refused)
            return None
        ticket = Ticket(route, request, identifier, done)
        if inline and route.many:
            self._work.next_tick(ticket, self.loop)
        else:
            self._work.in_pool(ticket, self.loop)
        return ticket

    def abandon(self, ticket: Ticket) -> None:
        """The caller is gone."""
        self._work.abandon(ticket)

    def count(self, reply: Reply, seconds: float, size: int = 0, identifier: str = "") -> None:
        """Count an answer, and log it if it is an error."""
        status, cause = reply[0], reply[4]
        self.metrics.observe(status, cause, reply[3], seconds)
        if status >= 400:
            self._errors.write(status, cause, seconds * 1e3, size, identifier)

    def close(self) -> None:
        """Take no more work; what is queued is dropped."""
        self._work.close()

    def _exposition(self) -> Reply:
        own = self.metrics.snapshot(self.settings.threads)
        others = [metrics.unpack(data) for data in self._board.others()] if self._board else []
        return Reply(200, metrics.CONTENT_TYPE, metrics.text([own, *others], self._digest))

    def _execution_parameters(self) -> Reply:
        """What a batch transform job asks for when its creator left these open."""
        concurrency = self.settings.workers * self.settings.threads
        payload = min(self.settings.max_body // MIB, _TRANSFORM_MB // concurrency)
        parameters = {
            "MaxConcurrentTransforms": concurrency,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(1, payload),
        }
        return Reply(200, JSON, orjson.dumps(parameters))

    def _publish(self) -> None:
        if self._board and self._loop:
            self._board.publish(metrics.pack(self.metrics.snapshot(self.settings.threads)))
            self._loop.call_later(PUBLISH_SECONDS, self._publish)
