"""What the modules of this folder share: PostgreSQL's server, started once a worker."""

from collections.abc import Iterator

import pytest

from mlops_assets_tests.aws.postgres import MISSING, Cluster, cluster, programs


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    if programs() is None:
        pytest.skip(MISSING)
    with cluster() as made:
        yield made
