"""A job's processes, one for each of its hosts, from the start of the first to the end of the last.

Belongs here: when the others are ended: at a failure of one, at a stop, at the time limit. Does not
belong here: the hosts' names (cluster.py), what the processes find (layouts), or what an end means
for the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.sagemaker_local.processes import Command, Exit, Process


@dataclass(frozen=True)
class GroupExit:
    """How the hosts ended: their exits in order, the first of them that failed by itself, if any,
    and whether it was the time limit that ended them."""

    exits: tuple[Exit, ...]
    failed: int | None
    timed_out: bool


async def run_hosts(
    commands: Sequence[Command],
    directory: Path,
    *,
    stopping: asyncio.Event,
    limit_s: float,
    grace_s: float,
    on_timeout: Callable[[], None] = lambda: None,
) -> GroupExit:
    """Run one process a host until all have ended.

    The first failure ends the others (at once: a job that has failed keeps nothing of them), and so
    does a stop or the time limit, with SIGTERM first and SIGKILL ``grace_s`` seconds later. Where
    this is cancelled, everything is killed.

    Args:
        directory: for the supervisors' own files.
        stopping: set by who stops the job.
        limit_s: seconds until the time limit.
        on_timeout: called when the time is over, before the processes are told.
    """
    processes: list[Process] = []
    try:
        for command in commands:  # one by one: those that run are ended if another cannot start
            processes.append(await Process.start(command, directory))  # noqa: PERF401
        return await _until_ended(processes, stopping, limit_s, grace_s, on_timeout)
    finally:
        for process in processes:
            process.stop(0)  # no effect on one that has ended


async def _until_ended(
    processes: list[Process],
    stopping: asyncio.Event,
    limit_s: float,
    grace_s: float,
    on_timeout: Callable[[], None],
) -> GroupExit:
    ends = [asyncio.create_task(process.wait()) for process in processes]
    asked = asyncio.create_task(stopping.wait())
    deadline = asyncio.get_running_loop().time() + limit_s
    failed: int | None = None
    timed_out = False
    try:
        waiting = set(ends)
        while waiting:
            if failed is None and not timed_out and not asked.done():
                left = max(0.0, deadline - asyncio.get_running_loop().time())
                done, _ = await asyncio.wait(
                    {*waiting, asked}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                failed = _first_failure(ends) if not asked.done() else None
                timed_out = not done
                if timed_out:
                    on_timeout()
                if failed is not None or timed_out or asked.done():
                    for process in processes:
                        process.stop(grace_s if failed is None else 0)
            else:
                await asyncio.wait(waiting)
            waiting = {end for end in waiting if not end.done()}
        return GroupExit(tuple(end.result() for end in ends), failed, timed_out)
    finally:
        asked.cancel()
        for end in ends:
            end.cancel()


def _first_failure(ends: Sequence[asyncio.Task[Exit]]) -> int | None:
    """The host that ended first of those that failed."""
    failed = [n for n, end in enumerate(ends) if end.done() and end.result().code != 0]
    return min(failed, key=lambda n: ends[n].result().ended, default=None)
