"""moto's server as a process of its own, until its standard input closes.

Belongs here: what moto gets wrong and our tests depend on. Does not belong here: starting the
process (aws_server.py).
"""

import sys
import threading

from moto.core.responses import ActionResult
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse
from moto.server import ThreadedMotoServer

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


def main() -> None:
    GlueResponse.update_table = _update_if_version_matches
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
    sys.stdin.read()  # until the tests close the pipe, or end in whatever way
    server.stop()


if __name__ == "__main__":
    main()
