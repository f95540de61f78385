"""One server for all tests of training jobs, which use names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        flags = ("--job-stop-grace", "2")
        server = LocalApi(tmp_path_factory.mktemp("training") / "sagemaker", *flags)
        yield server
        server.end()
