"""Fault 20: credentials end while a job is followed. They are renewed, or the job is adopted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from mlops_assets_tests.aws.authority.roles import DAGSTER
from mlops_assets_tests.aws.guarded import Guarded, finished, guarded_world, start
from mlops_assets_tests.aws.world import BUCKET, Run, World
from mlops_assets_tests.diabetes import write_csv

pytestmark = [pytest.mark.integration, pytest.mark.nightly]
# Seconds that credentials last, and that a job waits for its instance.
LIFETIME_S, SLOW_START_S = 4.0, 10.0
_DEADLINE_S = 240


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    root = tmp_path_factory.mktemp("expiring")
    with guarded_world(root, None, signs=False, every_pipeline=True) as made:
        fault = {"kind": "slow-start", "amount": SLOW_START_S}
        (root / "sagemaker" / "faults.json").write_text(json.dumps([fault]))
        csv = write_csv(root / "source")
        made.admin.client("s3").upload_file(str(csv), BUCKET, f"incoming/diabetes/{csv.name}")
        yield made


@dataclass(frozen=True)
class Followed:
    """A run that follows a job."""

    guarded: Guarded
    world: World

    def jobs(self) -> dict[str, str]:
        """{name: status} of the jobs that this world's image runs."""
        sagemaker = self.guarded.admin.client("sagemaker")
        found = {}
        for each in sagemaker.list_training_jobs()["TrainingJobSummaries"]:
            job = sagemaker.describe_training_job(TrainingJobName=each["TrainingJobName"])
            image = job["AlgorithmSpecification"]["TrainingImage"]
            if image == self.world.settings["MLOPS_IMAGE_URI"]:
                found[each["TrainingJobName"]] = job["TrainingJobStatus"]
        return found

    def until_in_progress(self) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while "InProgress" not in self.jobs().values():
            assert time.monotonic() < deadline, self.jobs()
            time.sleep(0.3)


def materialize(world: World, select: str) -> Run:
    return world.materialize(select)


def test_credentials_of_a_role_are_renewed(guarded: Guarded) -> None:
    """A run that is longer than its credentials ends with them: those of a task last six hours."""
    credentials = guarded.authority.credentials
    credentials.lifetime = LIFETIME_S
    try:
        run = materialize(guarded.dagster, "*")
    finally:
        credentials.lifetime = 3600.0
    assert run.success, [*guarded.authority.refused, run.output[-3000:]]
    assert credentials.issued.count(DAGSTER) > SLOW_START_S / LIFETIME_S
    assert guarded.authority.refused == []


def test_credentials_that_nobody_renews_leave_the_job_to_be_adopted(guarded: Guarded) -> None:
    """A person's session that ends at lunch: the job that was paid for is thrown away."""
    given = guarded.authority.credentials.issue(DAGSTER)
    session = {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["Token"],
    }
    # Another image is another job than the one above.
    image = {"MLOPS_IMAGE_URI": guarded.dagster.settings["MLOPS_IMAGE_URI"].replace("ab", "cd")}
    settings = {**guarded.dagster.settings, **image}
    person = replace(guarded.dagster, identity=session, settings=settings)
    followed = Followed(guarded, person)
    command = ("asset", "materialize", "-m", "mlops_assets_tests.aws.location")
    run = start(
        person, "dagster", *command, "--select", 'key:"diabetes/model"+', "--partition", "all"
    )
    followed.until_in_progress()
    guarded.authority.credentials.expire(DAGSTER)
    (ended,) = finished([run])
    assert not ended.success
    assert "The AWS credentials expired while training job" in ended.output
    assert "it adopts the job" in ended.output
    (status,) = followed.jobs().values()
    assert status in ("InProgress", "Completed"), "the job was not stopped"

    again = materialize(replace(guarded.dagster, settings=settings), 'key:"diabetes/model"+')
    assert again.success, again.output[-3000:]
    assert "no second job is started" in again.output
    assert len(followed.jobs()) == 1
