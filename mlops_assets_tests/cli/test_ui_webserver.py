"""What a Dagster webserver may answer when it is asked what it loaded.

Answers that a real one gives only while it reloads, or after an upgrade; what a real one says of
pipelines that load and that do not is in test_ui_command.py.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.webserver import load_errors


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """The URL of a server that gives one answer."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: dict[str, Any], status: int = 200) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,)).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def workspace(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"workspaceOrError": {"locationEntries": list(entries)}}}


def entry(status: str = "LOADED", error: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": "here", "loadStatus": status, "locationOrLoadError": error or {}}


def test_all_is_well_only_when_each_location_has_loaded(answering):
    """A location that is still loading has no error either."""
    assert load_errors(answering(workspace(entry()))) == []
    assert load_errors(answering(workspace(entry(), entry("LOADING")))) is None


def test_the_innermost_error_is_told(answering):
    """The outermost says that loading failed, and not why."""
    outer = {"message": "loading failed", "errorChain": [{"error": {"message": "a typo\n"}}]}
    plain = {"message": "no home\n", "errorChain": []}
    answer = workspace(entry(error=outer), entry(), entry(error=plain))
    assert load_errors(answering(answer)) == ["here: a typo", "here: no home"]


def test_a_workspace_that_cannot_be_read_is_an_error(answering):
    """It has no locations, so none that failed."""
    answer = {"data": {"workspaceOrError": {"message": "no such file"}}}
    assert load_errors(answering(answer)) == ["no such file"]


def test_a_question_that_is_not_understood_is_not_asked_for_ever(answering):
    """Another release of Dagster: taken for a server that is still starting, it never ends."""
    with pytest.raises(CommandError, match="answers 400 to a question about its code"):
        load_errors(answering({"errors": [{"message": "Cannot query field"}]}, 400))
    with pytest.raises(CommandError, match="cannot say what it loaded: Cannot query field"):
        load_errors(answering({"errors": [{"message": "Cannot query field"}]}))


def test_the_users_proxy_is_not_asked(answering, monkeypatch):
    """Behind a company's proxy the page never seemed to answer."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert load_errors(answering(workspace(entry()))) == []


def test_nobody_there_is_not_known_yet():
    """Before it listens, and while it starts."""
    assert load_errors("http://127.0.0.1:9") is None
