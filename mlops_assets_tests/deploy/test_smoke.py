"""The smoke test of a deployment: it spends nothing unasked, and an open door is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "smoke.sh"


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return subprocess.run(
        [str(SCRIPT), *arguments],
        env={**kept, "BIN": str(Path(sys.executable).parent), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        ([], {}, "say what: ui or all"),
        (["everything"], {}, "say what: ui or all"),
        (["all"], {}, "SMOKE_AWS=yes"),
        (["all"], {"SMOKE_AWS": "1", "MLOPS_ENV": "aws"}, "SMOKE_AWS=yes"),
        (["all"], {"SMOKE_AWS": "yes"}, "MLOPS_ENV is 'local', not aws"),
    ],
)
def test_it_refuses_to_run_unasked(
    arguments: list[str], environment: dict[str, str], says: str
) -> None:
    """Jobs in somebody's account, because a variable was still set."""
    done = _run(*arguments, **environment)
    assert done.returncode == 64
    assert says in done.stderr


@contextmanager
def _answering(status: int, location: str = "") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test's own output is enough."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_the_ui_asks_who_comes() -> None:
    """The proof that a release needs: somebody answers, and asks."""
    with _answering(302, "https://id.example.com/authorize?client_id=1") as url:
        done = _run("ui", MLOPS_UI_URL=url)
    assert done.returncode == 0, done.stderr
    assert "asks who comes: id.example.com" in done.stdout


@pytest.mark.parametrize("status", [200, 503])
def test_an_open_door_is_a_failure(status: int) -> None:
    """A UI that shows its pages to whoever comes, or that does not answer."""
    with _answering(status) as url:
        done = _run("ui", MLOPS_UI_URL=url)
    assert done.returncode != 0
    assert f"answered {status}" in done.stderr


def test_a_way_back_to_itself_is_no_identity_provider() -> None:
    """A redirect that only adds a slash, taken for authentication."""
    with _answering(302, "/runs") as url:
        # A relative way has no other host.
        done = _run("ui", MLOPS_UI_URL=url)
    assert done.returncode != 0
