"""The network of a job that asks for EnableNetworkIsolation: its hosts, and nothing else.

Belongs here: making that network, keeping it while the job runs, and what the job's log says where
this machine's kernel does not allow it. Does not belong here: the kernel's calls (namespaces.py).

As in AWS the hosts of one job reach each other, here at 127.0.0.N, and nothing else. Data, code,
metrics and messages travel by files, which need no network.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from mlops_assets.sagemaker_local.processes import NAMESPACES, PYTHON

REFUSED = (
    "EnableNetworkIsolation is NOT enforced: this machine's kernel gives no network namespaces "
    "({reason}), so that this job reaches what the machine reaches; in AWS it would reach nothing"
)


@dataclass(frozen=True)
class Network:
    """Where a job's commands live. ``namespaces`` is the /proc/<pid>/ns of a process that is there;
    None is the machine's own network. ``notice`` is the first line of the job's log, if any."""

    namespaces: str | None = None
    notice: str = ""


@contextlib.asynccontextmanager
async def network_of(*, isolated: bool) -> AsyncIterator[Network]:
    """The network for one attempt at a job, for as long as it runs."""
    if not isolated:
        yield Network()
        return
    if sys.platform != "linux":
        yield Network(notice=REFUSED.format(reason=f"this is {sys.platform}"))
        return
    holder = await asyncio.create_subprocess_exec(
        *PYTHON,
        str(NAMESPACES),
        "network",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in a terminal is the server's, which ends it
    )
    try:
        said = (await holder.stdout.readline()).decode().strip() if holder.stdout else ""
        if said == "ready":
            yield Network(namespaces=f"/proc/{holder.pid}/ns")
        else:
            yield Network(notice=REFUSED.format(reason=said or "no answer"))
    finally:
        if holder.stdin is not None:
            holder.stdin.close()
        await holder.wait()
