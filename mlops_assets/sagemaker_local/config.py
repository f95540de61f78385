"""The settings of one server, and the names that follow from them.

Belongs here: what main() and tests may set, and the account, region and ARNs. Does not belong here:
anything that changes while the server runs (store.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

ACCOUNT = "000000000000"


def default_region() -> str:
    """AWS_REGION, AWS_DEFAULT_REGION, or us-east-1: the same order as boto3's default chain."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@dataclass(frozen=True)
class Config:
    """One server. Times in seconds; ``objects`` as open_objects takes it."""

    home: Path
    objects: str
    port: int = 0
    region: str = field(default_factory=default_region)
    job_workers: int = field(default_factory=lambda: max(2, os.cpu_count() or 1))
    queue_limit: int = 1000
    instances_per_job: int = 8
    instances_per_endpoint: int = 4
    job_stop_grace: float = 120.0
    replica_stop_grace: float = 30.0
    replica_start_limit: float = 240.0
    invoke_limit: float = 60.0
    push_logs_to: str | None = field(
        default_factory=lambda: os.environ.get("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS")
    )
    log_limit_bytes: int = 64 * 2**20
    capture_flush_s: float = 5.0
    capture_queue_bytes: int = 64 * 2**20
    serverless_idle_s: float = 300.0
    scaling_pause_s: float = 5.0
    scaling_window_s: float = 60.0
    # False only in tests: a swap that waits for no request and sends none again must lose some.
    drain: bool = field(default_factory=lambda: os.environ.get("MLOPS_LOCAL_API_DRAIN") != "0")

    def arn(self, resource: str, name: str, service: str = "sagemaker") -> str:
        """The ARN that the service would give, in the account that no real one has."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{resource}/{name}"
