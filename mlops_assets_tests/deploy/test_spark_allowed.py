"""What Spark jobs need of IAM, on SageMaker and on EMR Serverless, and what they are denied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets.permissions.catalogue import ROLES
from mlops_assets.permissions.policy import scope
from mlops_assets.permissions.stack import template
from mlops_assets.pipeline import EMRServerless, Spark
from mlops_assets.pipelines import flight_delays
from mlops_assets.resources.emr.requests import LOG_GROUP
from mlops_assets_tests.deploy import iam
from mlops_assets_tests.deploy.requests_made import PLACEMENT, arn, processing
from mlops_assets_tests.deploy.template import FOLDER, full, parse

APPLICATION = "00fk9r4example01"
OURS = f"arn:aws:emr-serverless:us-east-1:111122223333:/applications/{APPLICATION}"
LOGS = f"arn:aws:logs:us-east-1:111122223333:log-group:{LOG_GROUP}:log-stream:x"
OPEN = processing(replace(PLACEMENT, network_isolation=False))


def declared(engine):
    """The iam stack of the flights' pipeline with this engine."""
    return template(scope([replace(flight_delays.pipeline, engine=engine)]))


def worker(made):
    policies = ["PlatformPolicy", "ProcessingPolicy", "SparkJobsPolicy"]
    there = [name for name in policies if name in made["Resources"]]
    return iam.statements(made, there, EmrApplicationId=APPLICATION)


@pytest.mark.parametrize("station", ["clean", "features"])
def test_a_processing_job_of_spark_may_reach_the_lake(station: str) -> None:
    """A job that works on every laptop, and that the policies of AWS deny."""
    job = arn("processing-job", f"flight-delays-{station}-spark-0123456789ab")
    made = worker(declared(Spark()))
    assert iam.allowed(made, "sagemaker:CreateProcessingJob", job, OPEN)
    assert not iam.allowed(worker(declared("pandas")), "sagemaker:CreateProcessingJob", job, OPEN)


@pytest.mark.parametrize(
    "weaker", [{"subnets": (), "security_groups": ()}, {"kms_key_arn": None}], ids=str
)
def test_of_that_job_all_else_is_demanded(weaker: dict) -> None:
    job = arn("processing-job", "flight-delays-clean-spark-0123456789ab")
    request = processing(replace(PLACEMENT, network_isolation=False, **weaker))
    assert not iam.allowed(worker(declared(Spark())), "sagemaker:CreateProcessingJob", job, request)


def test_no_other_job_may_leave_its_container() -> None:
    """The exception becomes the rule by a name that is a little too wide."""
    other = arn("processing-job", "flight-delays-evaluation-0123456789ab")
    for made in (worker(declared(Spark())), worker(full())):
        assert not iam.allowed(made, "sagemaker:CreateProcessingJob", other, OPEN)
        assert iam.allowed(made, "sagemaker:CreateProcessingJob", other, processing(PLACEMENT))


def test_jobs_are_of_the_one_application_and_pass_the_one_role() -> None:
    made = worker(declared(Spark(runs_on=EMRServerless())))
    passed = {"iam:PassedToService": "emr-serverless.amazonaws.com"}
    for action in ("ListJobRuns", "StartJobRun"):
        assert iam.allowed(made, f"emr-serverless:{action}", OURS)
        assert not iam.allowed(made, f"emr-serverless:{action}", OURS.replace("00f", "00e"))
    for action in ("CancelJobRun", "GetJobRun", "TagResource"):
        assert iam.allowed(made, f"emr-serverless:{action}", f"{OURS}/jobruns/00j")
    assert iam.allowed(made, "iam:PassRole", "arn:SparkRole", passed)
    assert not iam.allowed(made, "iam:PassRole", "arn:ExecutionRole", passed)
    assert not iam.allowed(made, "iam:PassRole", "arn:SparkRole")
    assert iam.allowed(made, "logs:GetLogEvents", LOGS)


def test_a_job_stages_files_and_commits_none() -> None:
    """A job that could make half a partition visible, or read another pipeline's rows."""
    made = declared(Spark(runs_on=EMRServerless()))
    job = iam.statements(made, ROLES["SparkRole"], EmrApplicationId=APPLICATION)
    table = "arn:aws:s3:::lake/lake/flight_delays.db/clean/data/x.parquet"
    assert iam.allowed(job, "s3:PutObject", table)
    assert not iam.allowed(job, "s3:DeleteObject", table)
    assert not iam.allowed(job, "s3:GetObject", table.replace("flight_delays", "digits"))
    assert not iam.actions(job) & {"glue:UpdateTable", "glue:CreateTable"}
    answer = "arn:aws:s3:::lake/processing/flight_delays/clean/0/answer/answer.json"
    assert iam.allowed(job, "s3:PutObject", answer)
    said = "arn:aws:s3:::lake/pipes/flight-delays-clean-spark-0123456789ab/0/message"
    assert iam.allowed(job, "s3:PutObject", said)
    assert iam.allowed(job, "logs:PutLogEvents", LOGS)


@pytest.mark.parametrize("engine", ["pandas", Spark()], ids=["pandas", "processing"])
def test_who_does_not_run_there_has_nothing_of_it(engine: object) -> None:
    """A role that lies around, for whoever finds a way to pass it."""
    made = declared(engine)
    assert "SparkRole" not in made["Resources"]
    assert "EmrApplicationId" not in made["Parameters"]
    assert not any(each.startswith("emr-serverless:") for each in iam.actions(worker(made)))


def test_without_an_application_there_is_no_role() -> None:
    """The stack `spark` is optional: a declaration may come before it."""
    resources = declared(Spark(runs_on=EMRServerless()))["Resources"]
    assert {name for name, each in resources.items() if each.get("Condition") == "RunsSpark"} == {
        "SparkJobsPolicy", "SparkPolicy", "SparkRole"
    }  # fmt: skip
    attached = resources["DagsterRole"]["Properties"]["ManagedPolicyArns"]
    named = {"Ref": "SparkJobsPolicy"}
    assert {"Fn::If": ["RunsSpark", named, {"Ref": "AWS::NoValue"}]} in attached


def test_the_stack_has_what_the_code_counts_on() -> None:
    """A log that nobody reads; an application that is paid for when it is idle."""
    stack = parse(Path(FOLDER) / "spark.yaml")["Resources"]
    assert stack["SparkLog"]["Properties"]["LogGroupName"] == LOG_GROUP
    application = stack["SparkApplication"]["Properties"]
    assert application["AutoStopConfiguration"]["Enabled"]
    assert set(application["MaximumCapacity"]) == {"Cpu", "Memory", "Disk"}
    assert "InitialCapacity" not in application
    assert application["NetworkConfiguration"]["SubnetIds"] == {"Ref": "SubnetIds"}
