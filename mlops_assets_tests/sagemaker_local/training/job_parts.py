"""What the tests of training jobs share: a script that waits, channels, archives, faults."""

from __future__ import annotations

import io
import tarfile

from mlops_assets_tests.sagemaker_local.api import LocalApi

WAIT = """
import signal, sys, time
def stop(*_):
    open("/opt/ml/model/kept.txt", "w").write("kept")
    print("asked to stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("waiting")
time.sleep(600)
"""


def channel(name: str, uri: str) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


def members(api: LocalApi, uri: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(api.objects.read(uri))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def fault_tags(**faults: str) -> list[dict]:
    """Tags of a request that ask for faults: their kinds, with underscores, and amounts."""
    return [
        {"Key": f"mlops-fault:{kind.replace('_', '-')}", "Value": amount}
        for kind, amount in faults.items()
    ]


def way(job: dict) -> list[str]:
    """The secondary statuses that a job has been in."""
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]
