"""moto's server as a process of its own, until its standard input closes.

Belongs here: what moto gets wrong and our tests depend on. Does not belong here: starting the
process (aws_server.py).
"""

import re
import sys
import threading

from moto.core.responses import ActionResult
from moto.ecs.models import EC2ContainerServiceBackend, Task
from moto.glue.exceptions import GlueClientError
from moto.glue.responses import GlueResponse
from moto.moto_api import state_manager
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


_stop_task = EC2ContainerServiceBackend.stop_task
_EXIT = re.compile(r"exit status (-?\d+)")


def _stop_with_exit_status(
    backend: EC2ContainerServiceBackend, cluster_str: str, task_str: str, reason: str
) -> Task:
    """A stopped task's containers have ended, in moto always well: the reason says how."""
    task = _stop_task(backend, cluster_str, task_str, reason)
    found = _EXIT.search(reason or "")
    for container in task.containers:
        container.last_status = "STOPPED"
        container.exitCode = int(found[1]) if found else 143
    return task


def main() -> None:
    GlueResponse.update_table = _update_if_version_matches
    EC2ContainerServiceBackend.stop_task = _stop_with_exit_status
    # Tasks run until they are stopped; moto ends them when they are looked at.
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
    sys.stdin.read()  # until the tests close the pipe, or end in whatever way
    server.stop()


if __name__ == "__main__":
    main()
