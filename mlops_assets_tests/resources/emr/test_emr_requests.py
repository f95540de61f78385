"""What is asked of EMR Serverless: as its API takes it, and as it has workers for."""

import re

import pytest

from mlops_assets.engines import EMRServerless
from mlops_assets.resources.emr.job_runs import JobRuns
from mlops_assets.resources.emr.requests import LOG_GROUP, Application, SparkSpec, spark_request
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.sagemaker_local import shapes
from mlops_assets.sagemaker_local.protocol import service_model
from mlops_assets_tests.spark.emr_api import APPLICATION, ROLE

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"


def request(workers=None, **spec):
    given = {
        "name": "a" * 80,
        "program_uri": "s3://lake/code/0/files/program.py",
        "arguments": ("s3://lake/task.json", "s3://lake/answer.json"),
        "workers": workers or EMRServerless(),
        "max_runtime_s": 90,
        **spec,
    }
    application = Application(application_id=APPLICATION, role_arn=ROLE, kms_key_arn=KEY)
    return spark_request(SparkSpec(**given), application)


def conf(made):
    text = made["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    return dict(pair.split("=", 1) for pair in re.findall(r"--conf (\S+)", text))


class Recorder:
    """boto3's client, as far as this asks it."""

    def start_job_run(self, **params):
        self.asked = params
        return {"jobRunId": "00j"}


class Kept(dict):
    """A store, as far as this writes to it."""

    def write(self, uri, data):
        self[uri] = data


def test_the_request_is_as_the_service_takes_it():
    """Lengths, patterns and required members, as botocore describes them."""
    client, objects = Recorder(), Kept()
    made = request()
    JobRuns(client, APPLICATION, objects, "s3://lake/pipes").start_job_run(**made)
    shapes.check(
        service_model("emr-serverless").operation_model("StartJobRun").input_shape, client.asked
    )
    name = client.asked["name"]
    assert len(name) <= 60
    assert client.asked["clientToken"] == name
    assert client.asked["executionTimeoutMinutes"] == 2
    overrides = client.asked["configurationOverrides"]
    assert overrides["diskEncryptionConfiguration"] == {"encryptionKeyArn": KEY}
    logging = overrides["monitoringConfiguration"]["cloudWatchLoggingConfiguration"]
    assert (logging["logGroupName"], logging["logStreamNamePrefix"]) == (LOG_GROUP, name)
    assert objects == {f"s3://lake/pipes/{name}/job-run-id": b"00j"}


def test_the_name_follows_from_what_is_asked_and_not_from_its_tags():
    assert request()["JobRunName"] == request(tags={"mlops:asset": "clean"})["JobRunName"]
    assert request()["JobRunName"] != request(workers=EMRServerless(executors=11))["JobRunName"]
    assert digest_of(request()) == digest_of(request())


@pytest.mark.parametrize(
    "size", [(1, 2), (1, 8), (2, 4), (4, 8), (4, 30), (8, 16), (8, 60), (16, 32), (16, 120)]
)
def test_heap_and_the_rest_are_a_worker_that_aws_has(size):
    """EMR adds its overhead to the heap, and takes the next larger worker, or none."""
    cores, memory = size
    given = conf(request(EMRServerless(cores=cores, memory_gb=memory)))
    for who in ("driver", "executor"):
        parts = (given[f"spark.{who}.memory"], given[f"spark.{who}.memoryOverhead"])
        assert sum(int(part.removesuffix("g")) for part in parts) == memory
        assert given[f"spark.{who}.cores"] == str(cores)
