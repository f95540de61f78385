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
_KEPT = 1024


class Peers:
    """Remembers whose connections are this user's: reading the kernel's table of all connections
    takes milliseconds where there are thousands, and a connection does not change hands.

    A connection is known by its address object, which the server makes once for each: another
    connection from the same port has another.
    """

    def __init__(self) -> None:
        self._own: dict[tuple[str, int], tuple[str, int]] = {}

    def is_foreign(self, client: tuple[str, int], server_port: int) -> bool:
        """As the function of that name."""
        if self._own.get(client) is client:
            return False
        if is_foreign(client, server_port):
            return True
        if len(self._own) >= _KEPT:
            self._own.clear()
        self._own[client] = client
        return False


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
