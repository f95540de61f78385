"""Requests that are not answered at once: the pool, its deadline, and same-tick batches.

Belongs here: where and when an engine is called. Does not: whether a request is admitted, or what
its answer counts as (service.py). All but the pool's threads runs on the event loop: no locks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import NamedTuple

from mlops_assets.containers.handle import Handler, Request
from mlops_assets.containers.http import http_reply
from mlops_assets.containers.http.logs import inference_id
from mlops_assets.containers.http.metrics import Metrics
from mlops_assets.containers.reply import Reply, error

log = logging.getLogger(__name__)

Done = Callable[[Reply], None]
Count = Callable[[Reply, float, int, str], None]


class Route(NamedTuple):
    """Who answers the requests of a path; `inline_bytes` and `batches` as a Handler has them."""

    call: Callable[[str, str, bytes], Reply]
    inline_bytes: int
    many: Callable[[Sequence[Request]], list[Reply]] | None = None


def route_of(handler: Handler) -> Route:
    """The route to an engine."""
    return Route(
        handler.handle, handler.inline_bytes, handler.handle_many if handler.batches else None
    )


class Ticket:
    """A request that is being answered elsewhere: in the pool, or at the end of this tick."""

    __slots__ = ("done", "future", "identifier", "request", "route", "started", "timer")

    def __init__(self, route: Route, request: Request, identifier: str, done: Done) -> None:
        self.route = route
        self.request = request
        self.identifier = identifier
        self.done: Done | None = done
        self.started = perf_counter()
        self.future: Future[None] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Work:
    """What waits to be answered. `count` gets each reply, its seconds, its body's bytes and id."""

    def __init__(self, threads: int, deadline: int, metrics: Metrics, count: Count) -> None:
        self._deadline = deadline
        self._metrics = metrics
        self._count = count
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._tick: list[Ticket] = []

    def next_tick(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        """Answer with whatever else comes in this turn of the loop; nothing waits for a timer."""
        self._hold(ticket)
        if not self._tick:
            loop.call_soon(self._flush)
        self._tick.append(ticket)

    def in_pool(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        """Answer from a thread, or with 504 at the deadline."""
        self._hold(ticket)
        self._metrics.pending += 1
        ticket.future = self._pool.submit(self._work, ticket, loop)
        ticket.timer = loop.call_later(self._deadline, self._late, ticket)

    def abandon(self, ticket: Ticket) -> None:
        """The caller is gone: no answer is due, and what has not begun never will."""
        if ticket.done is None:
            return
        ticket.done = None
        self._metrics.abandoned += 1
        self._forget(ticket)

    def close(self) -> None:
        """Take no more work; what is queued is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        inference_id.set(ticket.identifier)
        reply = safely(ticket.route, ticket.request)
        with suppress(RuntimeError):  # the loop has ended without waiting for this
            loop.call_soon_threadsafe(self._finished, ticket, reply)

    def _finished(self, ticket: Ticket, reply: Reply) -> None:
        self._release(ticket)
        self._metrics.pending -= 1
        if ticket.timer:
            ticket.timer.cancel()
        self._deliver(ticket, reply)

    def _late(self, ticket: Ticket) -> None:
        if ticket.done:
            self._deliver(ticket, http_reply.late(self._deadline))
            self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        """Take a request out of the queue; one that a thread works on counts until it is done."""
        if ticket.timer:
            ticket.timer.cancel()
        if ticket.future and ticket.future.cancel():
            self._release(ticket)
            self._metrics.pending -= 1

    def _flush(self) -> None:
        tick, self._tick = self._tick, []
        waiting = [ticket for ticket in tick if ticket.done]
        for ticket in tick:
            self._release(ticket)
        # Two models' requests never stand in one batch.
        for route in dict.fromkeys(ticket.route for ticket in waiting):
            own = [ticket for ticket in waiting if ticket.route == route]
            for ticket, reply in zip(own, _many(route, own), strict=True):
                self._deliver(ticket, reply)

    def _hold(self, ticket: Ticket) -> None:
        self._metrics.in_flight += 1
        self._metrics.buffered += len(ticket.request.body)

    def _release(self, ticket: Ticket) -> None:
        self._metrics.in_flight -= 1
        self._metrics.buffered -= len(ticket.request.body)

    def _deliver(self, ticket: Ticket, reply: Reply) -> None:
        done, ticket.done = ticket.done, None
        if done is not None:
            seconds = perf_counter() - ticket.started
            self._count(reply, seconds, len(ticket.request.body), ticket.identifier)
            done(reply)


def safely(route: Route, request: Request) -> Reply:
    """The engine's reply, or 500."""
    try:
        return route.call(*request)
    except Exception:  # engines promise not to raise; a broken promise must not stop the server
        log.exception("an engine raised")
        return error(500, "the model server failed; its log says why", "internal")


def _many(route: Route, tickets: Sequence[Ticket]) -> list[Reply]:
    try:
        if route.many and len(tickets) > 1:
            replies = route.many([ticket.request for ticket in tickets])
            if len(replies) == len(tickets):
                return replies
            log.error("an engine gave %d replies to %d requests", len(replies), len(tickets))
    except Exception:
        log.exception("an engine raised")
    return [safely(route, ticket.request) for ticket in tickets]
