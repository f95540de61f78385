"""One server for all tests of tuning jobs: their names are their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        home = tmp_path_factory.mktemp("tuning") / "sagemaker"
        server = LocalApi(home, "--job-stop-grace", "2")
    yield server
    server.end()
