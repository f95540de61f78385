"""The one frozen `Settings` of a process, read from the environment.

Here: which world the platform runs in (``MLOPS_ENV``) and where its parts are in that world.
Not here: anything about one pipeline (that is `mlops_assets.pipeline`), and no connection is
opened: reading settings touches neither network nor disk.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Settings whose absence would only show deep inside an AWS call, with what each one is for.
_NEEDED_IN_AWS = {
    "bucket": "the lake's bucket",
    "role_arn": "the execution role of jobs and endpoints",
    "image_uri": "the image that answers `train` and `serve`",
    "subnets": "the private subnets that jobs and endpoints run in",
    "security_groups": "the security groups of jobs and endpoints",
    "kms_key_arn": "the key that encrypts volumes and outputs",
}


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable and the remedy."""


def _variable(field: str) -> str:
    return f"MLOPS_{field.upper()}"


class Settings(BaseSettings):
    """Every field is the environment variable ``MLOPS_<FIELD>``; lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="MLOPS_", frozen=True, extra="forbid")

    env: Literal["local", "aws"] = "local"
    home: Path = Field(default_factory=lambda: Path.cwd() / ".mlops")
    # A branch's environment, such as pr12 (`mlops env create`): folders, tables, endpoints and
    # asset keys of its own, beside those of everybody else. Empty: everybody else's.
    environment: str = Field(default="", pattern=r"^([a-z][a-z0-9]{0,15})?$")
    region: str = Field(default_factory=lambda: os.environ.get("AWS_REGION", "us-east-1"))
    pipelines: Annotated[tuple[str, ...], NoDecode] = ()
    bucket: str = ""
    role_arn: str = ""
    image_uri: str = ""
    # The same image with torch, and for GPUs: for pipelines whose Training.image says so.
    torch_image_uri: str = ""
    cuda_image_uri: str = ""
    subnets: Annotated[tuple[str, ...], NoDecode] = ()
    security_groups: Annotated[tuple[str, ...], NoDecode] = ()
    kms_key_arn: str = ""
    # Paths of PEM files, or ARNs of asymmetric KMS keys: `resources.sagemaker.registry.signing`.
    signing_key: str = ""
    verify_key: str = ""
    # MLflow: the ARN of SageMaker's tracking server, or any address of one; locally SQLite.
    tracking_uri: str = ""
    # Where people see the UI, such as https://dagster.example.com: reports link to it.
    ui_url: str = ""
    # Where alerts go, beside the log: an SNS topic, a webhook that takes Slack's JSON. The
    # webhook's address is a secret: whoever knows it can write there.
    alert_topic_arn: str = ""
    alert_webhook: str = Field(default="", repr=False)
    # FSx for Lustre that is linked to the bucket, fs-…:/mountname, for `Training(input="lustre")`.
    lustre: str = Field(
        default="", pattern=r"^(fs-[0-9a-f]{8,40}:/[a-z0-9]{1,32}(/[A-Za-z0-9_.-]+)*)?$"
    )
    # The application of EMR Serverless and the role of its jobs, for `EMRServerless(…)`.
    emr_application_id: str = Field(default="", pattern=r"^[0-9a-z]{0,64}$")
    emr_role_arn: str = ""
    # What jobs and endpoints may ask for at most (`mlops_assets.limits.Limits`): patterns such as
    # ml.m5.*, instances, instance-hours of one job, USD of a pipeline's jobs of a day.
    instance_types: Annotated[tuple[str, ...], NoDecode] = ()
    max_instances: int | None = Field(default=None, gt=0)
    max_instance_hours: float | None = Field(default=None, gt=0)
    max_usd_per_day: float | None = Field(default=None, gt=0)
    # Whether Lake Formation governs the lake: personal columns are then tagged.
    lake_formation: bool = False
    # CloudWatch's namespace for what the monitors find, such as mlops_assets/monitors: the policies
    # allow none that begins otherwise; empty: it is not told.
    metrics_namespace: str = Field(
        default="", pattern=r"^(mlops_assets/[A-Za-z0-9._/#:-]{1,240})?$"
    )
    # The queue that EventBridge sends SageMaker's events to; empty: nobody listens.
    events_queue_url: str = ""

    @field_validator("pipelines", "subnets", "security_groups", "instance_types", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("alert_webhook", mode="after")
    @classmethod
    def _https(cls, value: str) -> str:
        url = urlsplit(value)
        if value and url.scheme != "https" and url.hostname not in ("127.0.0.1", "::1"):
            raise ValueError("must be an https:// address (http only to 127.0.0.1)")
        return value

    @field_validator("ui_url", mode="after")
    @classmethod
    def _page(cls, value: str) -> str:
        url = urlsplit(value)
        if value and (url.scheme not in ("http", "https") or not url.hostname or url.query):
            raise ValueError("must be the http(s):// address of Dagster's UI")
        return value.rstrip("/")

    @field_validator("events_queue_url", mode="after")
    @classmethod
    def _queue(cls, value: str) -> str:
        url = urlsplit(value)
        if value and (url.scheme not in ("http", "https") or not url.path.strip("/")):
            raise ValueError("must be the URL of an SQS queue, as GetQueueUrl answers it")
        return value

    @field_validator("home", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def load(cls, **overrides: Any) -> "Settings":
        """Read the environment, then check that what this world needs is there.

        Raises:
            SettingsError: a variable is unknown, wrong or missing.
        """
        unknown = sorted(
            name
            for name in os.environ
            if name.startswith("MLOPS_")
            and name.removeprefix("MLOPS_").lower() not in {*cls.model_fields, *_FOR_OTHERS}
        )
        if unknown:
            known = ", ".join(_variable(name) for name in cls.model_fields)
            raise SettingsError(f"{unknown[0]} is not a setting of mlops_assets. Known: {known}")
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            first = error.errors()[0]
            name = _variable(str(first["loc"][0]))
            secret = name == _variable("alert_webhook")
            value = "…" if secret else repr(first["input"])
            raise SettingsError(f"{name}={value}: {first['msg']}") from None
        if settings.env == "aws":
            for field, purpose in _NEEDED_IN_AWS.items():
                if not getattr(settings, field):
                    raise SettingsError(
                        f"{_variable(field)} is not set: MLOPS_ENV=aws needs {purpose} "
                        "(the stacks of deploy/ put it out: deploy/README.md)"
                    )
        return settings

    @property
    def is_local(self) -> bool:
        return self.env == "local"

    @property
    def lake_bucket(self) -> str:
        """Where datasets, artifacts and records are: the bucket (a directory of ``home`` locally),
        in a branch's environment a folder of it."""
        bucket = self.bucket or "mlops-local"
        return f"{bucket}/{environment_folder(self.environment)}" if self.environment else bucket

    @property
    def own_home(self) -> Path:
        """Where the lake is on this machine: of everybody, or of a branch's environment."""
        return self.home / environment_folder(self.environment)

    @property
    def sagemaker_home(self) -> Path:
        """Where the local SageMaker API keeps its state."""
        return self.home / "sagemaker"

    @property
    def mlflow_uri(self) -> str:
        """Where experiments are told; empty in AWS until a tracking server is declared."""
        local = f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}" if self.is_local else ""
        return self.tracking_uri or local

    @property
    def mlflow_files(self) -> str | None:
        """Where a local MLflow keeps files: beside its database; elsewhere the server says."""
        path = self.mlflow_uri.removeprefix("sqlite:///")
        return None if path == self.mlflow_uri else (Path(path).parent / "files").as_uri()

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def objects(self) -> str:
        """Where ``s3://`` URIs live, in the words of `mlops_assets.objects.open_objects`."""
        return f"dir:{self.home / 'buckets'}" if self.is_local else "s3"

    @cached_property
    def lake_catalog(self) -> Mapping[str, str]:
        """pyiceberg's catalog properties: SQLite and a directory, or Glue and S3."""
        if self.is_local:
            lake = self.own_home / "lake"
            return {
                "type": "sql",
                "uri": f"sqlite:///{lake / 'catalog.db'}",
                "warehouse": lake.as_uri(),
            }
        return {**glue_properties(self.region), "warehouse": f"s3://{self.lake_bucket}/lake"}


def glue_properties(region: str) -> dict[str, str]:
    """pyiceberg's properties of the account's own catalog."""
    catalog = {"type": "glue", "glue.region": region, "s3.region": region}
    # pyiceberg does not read the endpoint variables that every AWS SDK reads.
    for service in ("glue", "s3"):
        endpoint = os.environ.get(
            f"AWS_ENDPOINT_URL_{service.upper()}", os.environ.get("AWS_ENDPOINT_URL")
        )
        if endpoint:
            catalog[f"{service}.endpoint"] = endpoint
    return catalog


def environment_folder(environment: str) -> str:
    """The folder of a branch's environment; empty for everybody else's.

    >>> environment_folder("pr12")
    'environments/pr12'
    """
    return f"environments/{environment}" if environment else ""


# Variables that share our prefix and are read by other parts of the project.
_FOR_OTHERS = frozenset({"bind_host", "max_body_bytes", "objects"})
