"""Servers for the tests of the local SageMaker API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    """One server for the tests of a module; they use names of their own."""
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        flags = ("--job-stop-grace", "2", "--capture-flush", "0.5")
        server = LocalApi(tmp_path_factory.mktemp("local") / "sagemaker", *flags)
        yield server
        server.end()


@pytest.fixture
def new_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LocalApi]]:
    """Starts servers that a test may kill, in the test's own home."""
    clean_environment(monkeypatch)
    started: list[LocalApi] = []

    def start(*flags: str, **more) -> LocalApi:
        started.append(LocalApi(tmp_path / "sagemaker", *flags, **more))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end()
