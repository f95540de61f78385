"""AWS for tests: moto's server on a loopback port of this process, and the way to reach it.

Belongs here: starting it. Does not belong here: SageMaker, which this project serves itself.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from moto.core.responses import ActionResult
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
KEY = "testing"


@contextmanager
def aws_server() -> Iterator[str]:
    """The URL of a fresh AWS (S3, Glue, Logs, …) that is gone afterwards."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with patch.object(GlueResponse, "update_table", _update_if_version_matches):
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


_update_table = GlueResponse.update_table
_one_at_a_time = threading.Lock()


def _update_if_version_matches(request: GlueResponse) -> ActionResult:
    """Glue's optimistic lock, which moto 5.2 leaves out: it ignores ``VersionId``.

    AWS answers ConcurrentModificationException if the table is no longer at that version.
    """
    expected = request.parameters.get("VersionId")
    with _one_at_a_time:
        database, name = (
            request.parameters["DatabaseName"],
            request.parameters["TableInput"]["Name"],
        )
        current = request.glue_backend.get_table(database, name).as_dict()["VersionId"]
        if expected is not None and str(expected) != current:
            raise GlueClientError(
                "ConcurrentModificationException", f"{name} is at version {current}, not {expected}"
            )
        return _update_table(request)


def environment(url: str) -> dict[str, str]:
    """What boto3's default chain needs to find that AWS."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def glue_catalog(url: str, bucket: str) -> dict[str, str]:
    """pyiceberg's properties for a lake on that AWS."""
    return {
        "type": "glue",
        "warehouse": f"s3://{bucket}/lake",
        "glue.endpoint": url,
        "glue.region": REGION,
        "glue.access-key-id": KEY,
        "glue.secret-access-key": KEY,
        "s3.endpoint": url,
        "s3.region": REGION,
        "s3.access-key-id": KEY,
        "s3.secret-access-key": KEY,
    }
