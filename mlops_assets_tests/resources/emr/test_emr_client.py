"""A Spark job as one Dagster step: what dagster_aws's client would get wrong of each."""

import datetime as dt
import os
import signal
import threading
from dataclasses import replace

import dagster as dg
import pytest

from mlops_assets.limits import Limits
from mlops_assets.resources.emr.job_runs import JOB_RUN
from mlops_assets.resources.emr.session import EMRServerlessResource
from mlops_assets.resources.sagemaker.jobs import attempts
from mlops_assets.resources.sagemaker.jobs.guard import Guard, _cost
from mlops_assets.resources.sagemaker.jobs.ledger import Entry
from mlops_assets.resources.sagemaker.names import SPEC_HASH_TAG, tag_list
from mlops_assets_tests.resources.emr.emr_parts import ANSWERS, BUCKET, PREAMBLE, emr_world
from mlops_assets_tests.resources.sagemaker.conftest import eventually

pytestmark = pytest.mark.integration
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def emr(tmp_path_factory):
    with emr_world(tmp_path_factory.mktemp("emr")) as world:
        yield world


def failure(result):
    return result.failure_data_for_node("made").user_failure_data


def metadata(result):
    (event,) = result.asset_materializations_for_node("made")
    return {key: value.value for key, value in event.metadata.items()}


def test_a_job_is_asked_for_once_and_adopted_ever_after(emr, capfd):
    """A run that is killed and started again would pay for a second job."""
    request = emr.request("once", ANSWERS)
    given = dict(request)
    first = emr.run(request)
    assert first.success
    assert "all done" in capfd.readouterr().out
    assert request == given, "the caller's parameters were changed"
    shown = metadata(first)
    assert not shown["adopted"]
    assert shown["cost_usd"] == pytest.approx(0.5 * 0.052624 + 2 * 0.0057785, abs=1e-6)
    (job,) = emr.named(request)
    assert job.request["tags"]["mlops:pipeline"] == "once"
    assert job.request["name"] == request["JobRunName"] == job.request["clientToken"]

    assert metadata(emr.run(request))["adopted"]
    # Whoever asked died before the id was kept: the job is found among the application's.
    emr.objects().delete(f"s3://lake-of-spark/pipes/{request['JobRunName']}/job-run-id")
    assert metadata(emr.run(request))["adopted"]
    assert len(emr.named(request)) == 1


def test_a_lost_answer_starts_no_second_job(emr):
    request = emr.request("lost", ANSWERS)
    emr.api.losing_answers = 1
    assert emr.run(request).success
    assert len(emr.named(request)) == 1


def test_of_two_runs_at_once_the_second_adopts(emr):
    """Their tags differ, and AWS refuses a token that was used for another request."""
    request = emr.request("race", ANSWERS)
    others = {**request, "Tags": tag_list({SPEC_HASH_TAG: "h", "dagster/run-id": "theirs"})}
    request["jobDriver"]["sparkSubmit"]["entryPointArguments"].append("s3://lake-of-spark/said")
    ours = {**request, "Tags": tag_list({SPEC_HASH_TAG: "h", "dagster/run-id": "ours"})}
    client = emr.resource.client
    assert not attempts.create_or_adopt(client, JOB_RUN, attempts.Wanted(others, "h"))
    emr.objects().delete(f"s3://lake-of-spark/pipes/{request['JobRunName']}/job-run-id")
    assert attempts.create_or_adopt(client, JOB_RUN, attempts.Wanted(ours, "h"))
    assert len(emr.named(request)) == 1


def test_a_job_of_another_request_is_not_adopted(emr):
    request = emr.request("taken", ANSWERS)
    assert emr.run(request).success
    longer = {**request, "executionTimeoutMinutes": 11}
    assert "was asked for by another request" in str(
        emr.run(longer).failure_data_for_node("made").error.cause
    )


def test_a_completed_job_whose_answer_is_gone_is_done_again(emr):
    request = emr.request("gone", ANSWERS)
    assert emr.run(request).success
    emr.objects().delete("s3://lake-of-spark/processing/gone/answer.json")
    assert not metadata(emr.run(request))["adopted"]
    assert len(emr.named(request)) == 2


def test_a_failure_says_what_the_program_said(emr):
    """EMR's own words are of no use: "Job failed, please check complete logs"."""
    program = PREAMBLE + 'write(said, b"ContractBroken: x"); print("last line"); sys.exit(1)'
    request = emr.request("fails", program)
    failed = failure(emr.run(request, retry_policy=dg.RetryPolicy(max_retries=2)))
    assert "ExitCode: 1. It said: ContractBroken: x" in failed.description
    assert "last line" in failed.metadata["log_tail"].value
    assert len(emr.named(request)) == 1, "what fails by itself fails again, and is paid again"


def test_a_driver_that_vanishes_fails_the_run_and_the_next_starts_anew(emr):
    """Nothing was said: the words of the attempt before must not be taken for it."""
    request = emr.request("killed", PREAMBLE + 'print("up"); time.sleep(600)')

    def kill():
        eventually(lambda: emr.named(request) and emr.named(request)[0].state == "RUNNING", "a job")
        emr.named(request)[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    failed = failure(emr.run(request))
    killer.join()
    assert "ExitCode: -9" in failed.description
    assert "It said" not in failed.description


def test_a_terminated_run_cancels_its_job_once(emr):
    """With a RetryPolicy, an interruption that is passed on starts the job again."""
    request = emr.request("stopped", PREAMBLE + "time.sleep(600)")

    def interrupt():
        eventually(lambda: emr.named(request) and emr.named(request)[0].state == "RUNNING", "a job")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    ended = emr.run(request, retry_policy=dg.RetryPolicy(max_retries=2))
    thread.join()
    (job,) = emr.named(request)
    assert "is Stopped" in failure(ended).description
    assert (job.state, job.cancelled) == ("CANCELLED", 1)


def limited(emr, **limits):
    """The same world, in which jobs may ask for so much at most."""
    guard = Guard(Limits(**limits), {}, f"s3://{BUCKET}/budget", "s3")
    fields = {**emr.resource.model_dump(), "guard": guard.to_json()}
    return replace(emr, resource=EMRServerlessResource(**fields))


def test_what_breaks_a_limit_is_refused_before_it_is_asked(emr):
    """The only kind of job that no limit holds is the one that will be asked for."""
    request = emr.request("dear", ANSWERS)
    refused = failure(limited(emr, hours=1).run(request))
    # Ten executors and the driver, for ten minutes.
    assert "up to 1.833 instance-hours, and 1 are allowed" in refused.description
    assert emr.named(request) == []


def test_jobs_of_a_day_stay_within_the_budget(emr):
    """Put aside is the most that a job can cost; counted, once it has ended, what it did cost."""
    world = limited(emr, usd_per_day=0.6)
    tags = {"Tags": tag_list({"mlops:pipeline": "budget"})}
    requests = [emr.request(f"budget-{n}", ANSWERS) | tags for n in range(3)]
    ended = [world.run(request) for request in requests]
    assert [each.success for each in ended] == [True, True, False]
    assert "today's jobs come to 0.64 USD" in failure(ended[2]).description
    assert _cost(None, Entry(operation="StartJobRun", job="x", at=NOW, usd=1.0)) is None, (
        "SageMaker, asked for a Spark job's cost"
    )
