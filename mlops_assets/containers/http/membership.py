"""A worker's end of what ties it to its supervisor, and the socket that it listens on.

Belongs here: being one of several serving processes. Does not: starting them (supervisor.py).
The two speak single bytes over a socket pair; when either ends, the other reads the end.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress

from mlops_assets.containers.http.board import Board

VARIABLE = "MLOPS_WORKER"

# The worker has proven its model; it may listen; it listens.
READY, GO, LISTENS = b"R", b"G", b"L"


class Membership:
    """A worker's place among the others. It ends by SIGTERM when the supervisor is gone, even while
    its model still loads."""

    def __init__(self, index: int, channel: int, board: int) -> None:
        for descriptor in (channel, board):  # no child of a model's own code may hold them open
            os.set_inheritable(descriptor, False)
        self._channel = socket.socket(fileno=channel)
        self.board = Board(board, index)
        self._may_listen = threading.Event()
        threading.Thread(target=self._watch, name="supervisor", daemon=True).start()

    @classmethod
    def from_environ(cls) -> Membership | None:
        """The place that the supervisor gave to this process; None outside of one."""
        place = os.environ.pop(VARIABLE, "")
        if not place:
            return None
        index, channel, board = map(int, place.split(","))
        return cls(index, channel, board)

    def wait_for_the_others(self) -> None:
        """Tell that the model answers rightly; return once every worker's does."""
        self._channel.sendall(READY)
        self._may_listen.wait()

    def listens(self) -> None:
        """Tell that this worker listens."""
        self._channel.sendall(LISTENS)

    def _watch(self) -> None:
        with suppress(ConnectionResetError):  # it ended before it had read everything
            while said := self._channel.recv(1):
                if said == GO:
                    self._may_listen.set()
        os.kill(os.getpid(), signal.SIGTERM)


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket, not yet listening. `shared`: among processes (SO_REUSEPORT)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


def announce(listener: socket.socket) -> None:
    """Print where the server listens."""
    host, port = listener.getsockname()[:2]
    print(f"serving on http://{host}:{port}", flush=True)
