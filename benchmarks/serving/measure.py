"""One round of one server: started, warmed, measured, stopped.

Belongs here: what is measured, in which order. Does not: medians and tables (report.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving import bodies
from benchmarks.serving.answers import BadStatus, Checker
from benchmarks.serving.bodies import Form
from benchmarks.serving.case import Case
from benchmarks.serving.catalog import Peer
from benchmarks.serving.environments import Environments
from benchmarks.serving.load import Generator, Result
from benchmarks.serving.process import START_SECONDS, Server

BATCH = 1_000
# Open loop is asked of a server at the rates that it can hold.
SUSTAINED = 0.6
CONNECTIONS = 32
FEWEST = 60  # requests of an open loop

Figures = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """How long and how much: seconds of a measurement, distinct rows and batches that rotate,
    rates (requests/s) of the open loop."""

    seconds: float
    rows: int
    batches: int
    rates: Sequence[int]
    cores: frozenset[int]


def measure(peer: Peer, case: Case, environments: Environments, plan: Plan, logs: Path) -> Figures:
    """The figures of one round: seconds, requests or rows a second, MiB.

    Raises WrongAnswer and ServerFailed.
    """
    start = environments.start(peer)
    address = ("127.0.0.1", start.port)
    ones = _requests(peer, peer.one, case, plan.rows, 1)
    figures: Figures = {}
    log = logs / f"{peer.name}.log"
    with Server(start.command, start.environment, set(plan.cores), log) as server:
        figures["ping_s"] = server.wait_for(start.port, peer.ping)
        figures["answer_s"] = _first_answer(server, address, ones)
        one = _loop(server, address, ones, 1, plan.seconds)
        figures |= one.named("one")
        sixteen = _loop(server, address, ones, 16, plan.seconds)
        figures |= sixteen.named("sixteen")
        if peer.json:
            forms = _requests(peer, peer.json, case, plan.rows, 1)
            figures |= _loop(server, address, forms, 1, plan.seconds / 2).named("json_one")
            figures |= _loop(server, address, forms, 16, plan.seconds / 2).named("json_sixteen")
        for rate in plan.rates:
            if rate <= SUSTAINED * figures["sixteen_rate"]:
                seconds = max(plan.seconds, FEWEST / rate)
                figures |= _open(address, ones, rate, seconds, f"open_{rate}")
        figures["memory_mib"] = server.memory_mib()
        for label, form in {"csv": peer.many, **peer.extra}.items():
            batches = _requests(peer, form, case, plan.batches, BATCH)
            loop = _loop(server, address, batches, 1, plan.seconds)
            figures[f"batch_{label}_rows"] = loop.result.rate * BATCH
            figures[f"batch_{label}_cpu_us"] = loop.cpu / BATCH * 1e6
        figures["memory_after_mib"] = server.memory_mib()
    return figures


@dataclass(frozen=True)
class Loop:
    """A closed loop's result, and the server's CPU seconds a request."""

    result: Result
    cpu: float

    def named(self, prefix: str) -> Figures:
        """The figures under a prefix."""
        return {
            f"{prefix}_rate": self.result.rate,
            f"{prefix}_p50_s": self.result.quantile(0.5),
            f"{prefix}_p99_s": self.result.quantile(0.99),
            f"{prefix}_cpu_s": self.cpu,
            f"{prefix}_generator": self.result.busy,
        }


@dataclass(frozen=True)
class Requests:
    """Whole HTTP requests in rotation, and the judge of their answers."""

    content: Sequence[bytes]
    checker: Checker


def _requests(peer: Peer, form: Form, case: Case, count: int, size: int) -> Requests:
    parts = [slice(at * size, (at + 1) * size) for at in range(count)]
    content = [bodies.request(peer.path, form(case, part)) for part in parts]
    return Requests(content, Checker([case.expected[part] for part in parts]))


def _first_answer(server: Server, address: tuple[str, int], requests: Requests) -> float:
    """Seconds from the start to the first right answer: some say pong before they have a model."""
    while True:
        generator = Generator(address, requests.content, requests.checker, 1)
        try:
            generator.closed_loop(0)
            return server.since_start()
        except BadStatus:
            if server.since_start() > START_SECONDS:
                raise
        finally:
            generator.close()
        time.sleep(0.02)


def _loop(
    server: Server, address: tuple[str, int], requests: Requests, connections: int, seconds: float
) -> Loop:
    generator = Generator(address, requests.content, requests.checker, connections)
    try:
        generator.closed_loop(seconds / 4)  # caches, compilers and allocators of the server
        before = server.cpu_seconds()
        result = generator.closed_loop(seconds, spin=connections == 1)
        return Loop(result, (server.cpu_seconds() - before) / len(result.latencies))
    finally:
        generator.close()


def _open(
    address: tuple[str, int], requests: Requests, rate: int, seconds: float, name: str
) -> Figures:
    generator = Generator(address, requests.content, requests.checker, 1)
    try:
        generator.open_loop(seconds / 4, rate, CONNECTIONS)
        result = generator.open_loop(seconds, rate, CONNECTIONS, seed=1)
        return {f"{name}_p50_s": result.quantile(0.5), f"{name}_p99_s": result.quantile(0.99)}
    finally:
        generator.close()
