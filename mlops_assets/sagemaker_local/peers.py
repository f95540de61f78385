"""Who is at the other end of a loopback connection.

Belongs here: telling this user's processes from another user's. Does not belong here: what follows
from it (http.py).

A port on 127.0.0.1 can be reached by every account of the machine, and CreateTrainingJob runs
commands as the account that started the server. boto3 sends nothing that could be checked: an
endpoint URL is all it knows.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_CONNECTIONS = Path("/proc/net/tcp")


def is_foreign(client: tuple[str, int], server_port: int) -> bool:
    """Whether another account, not root, opened this connection; False where nobody can tell.

    >>> is_foreign(("127.0.0.1", 1), 1)
    False
    """
    uid = _owner(client, server_port)
    return uid is not None and uid not in (0, os.getuid())


def _owner(client: tuple[str, int], server_port: int) -> int | None:
    """The user id that /proc/net/tcp gives for the client's end; Linux only."""
    host, port = client
    packed = socket.inet_aton(host)[::-1].hex().upper()  # as the kernel prints it: little-endian
    near, far = f"{packed}:{port:04X}", f":{server_port:04X}"
    try:
        lines = _CONNECTIONS.read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if fields[1] == near and fields[2].endswith(far):
            return int(fields[7])
    return None
