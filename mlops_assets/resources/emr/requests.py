"""What is asked of EMR Serverless for a Spark job: from a declaration to StartJobRun.

Here: pure functions, and where jobs may run (`Application`). Not here: calls to AWS (job_runs.py),
what the program does (`mlops_assets.spark`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.engines import EMRServerless
from mlops_assets.resources.sagemaker.names import digest_of, name_of, slugify, tag_list

LOG_GROUP = "/mlops/spark"
PYTHON = "/opt/venv/bin/python"
"""Of the application's image (target ``emr`` of deploy/docker/Dockerfile)."""
# The rows are in Python's workers; of a worker's memory the JVM gets this part.
_HEAP = 4
# Hashes of keys are grouped in so many parts for each core.
_PARTS_PER_CORE = 2


@dataclass(frozen=True, kw_only=True)
class Application:
    """Where Spark jobs run, and on whose behalf; without an ``application_id``: nowhere.

    ``kms_key_arn``: of the workers' disks; empty: AWS's own.
    """

    application_id: str = ""
    role_arn: str = ""
    region: str = "us-east-1"
    kms_key_arn: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.application_id)


@dataclass(frozen=True, kw_only=True)
class SparkSpec:
    """One Spark job, declared.

    Args:
        name: what the job is called, before the digest of its request.
        program_uri: the s3:// URI of the script that the driver runs. As of the arguments, URIs
            must name immutable, content-addressed objects: the job's identity is its request.
        arguments: of the program; as the last one comes the URI where it says what went wrong.
        workers: their number and size.
        max_runtime_s: seconds; EMR counts minutes.
    """

    name: str
    program_uri: str
    arguments: tuple[str, ...]
    workers: EMRServerless
    max_runtime_s: int
    tags: Mapping[str, str] = field(default_factory=dict)


def spark_request(spec: SparkSpec, application: Application) -> dict[str, Any]:
    """``StartJobRun``'s parameters; ``JobRunName`` and ``Tags`` as `job_runs` takes them.

    EMR's own retries are left at one attempt: a retry is Dagster's, which knows when it helps.
    """
    conf = {
        **_conf(spec.workers),
        "spark.emr-serverless.driverEnv.AWS_DEFAULT_REGION": application.region,
        "spark.executorEnv.AWS_DEFAULT_REGION": application.region,
    }
    request: dict[str, Any] = {
        "applicationId": application.application_id,
        "executionRoleArn": application.role_arn,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": spec.program_uri,
                "entryPointArguments": list(spec.arguments),
                "sparkSubmitParameters": " ".join(
                    f"--conf {key}={value}" for key, value in sorted(conf.items())
                ),
            }
        },
        "executionTimeoutMinutes": -(-spec.max_runtime_s // 60),
    }
    if application.kms_key_arn:
        key = {"encryptionKeyArn": application.kms_key_arn}
        request["configurationOverrides"] = {"diskEncryptionConfiguration": key}
    return {
        "JobRunName": name_of(slugify(spec.name), digest_of(request)),
        **request,
        "Tags": tag_list({**application.tags, **spec.tags}),
    }


def logging_of(name: str) -> dict[str, Any]:
    """Where a job's driver writes: streams that begin with the job's name."""
    return {
        "monitoringConfiguration": {
            "cloudWatchLoggingConfiguration": {
                "enabled": True,
                "logGroupName": LOG_GROUP,
                "logStreamNamePrefix": name,
                "logTypes": {"SPARK_DRIVER": ["STDOUT", "STDERR"]},
            },
            # A copy of the logs that AWS would keep for 30 days in a bucket of its own.
            "managedPersistenceMonitoringConfiguration": {"enabled": False},
        }
    }


def _conf(workers: EMRServerless) -> dict[str, str]:
    heap = max(workers.memory_gb // _HEAP, 1)
    rest = workers.memory_gb - heap
    return {
        "spark.dynamicAllocation.maxExecutors": str(workers.executors),
        "spark.driver.cores": str(workers.cores),
        "spark.driver.memory": f"{heap}g",
        "spark.driver.memoryOverhead": f"{rest}g",
        "spark.emr-serverless.driver.disk": f"{workers.disk_gb}g",
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": PYTHON,
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": PYTHON,
        "spark.emr-serverless.executor.disk": f"{workers.disk_gb}g",
        "spark.executor.cores": str(workers.cores),
        "spark.executor.memory": f"{heap}g",
        "spark.executor.memoryOverhead": f"{rest}g",
        "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
        "spark.sql.shuffle.partitions": str(workers.executors * workers.cores * _PARTS_PER_CORE),
    }
