"""The server's own life: started once, killed without orphans, truthful after a restart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from mlops_assets.sagemaker_local import lifecycle, supervisor
from mlops_assets.sagemaker_local.store import read_ledger
from mlops_assets_tests.sagemaker_local.api import alive, eventually

pytestmark = pytest.mark.integration

# A training script whose child leaves the process group and the session. One write a line: `print`
# makes two of them where Python is unbuffered, and the lines of two processes then run together.
FAMILY = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(1, b"child\\n")
    time.sleep(600)
os.write(1, b"parent\\n")
time.sleep(600)
"""


def running_with(text: str) -> list[int]:
    """Process ids whose command line or working directory mentions the text."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().decode(errors="replace")
            place = os.readlink(path / "cwd")
        except OSError:
            continue
        if (text in command or text in place) and int(path.name) != os.getpid():
            found.append(int(path.name))
    return [pid for pid in found if alive(pid)]


def test_racing_callers_start_one_server(tmp_path):
    """Fault matrix 4: ten Dagster steps starting at once must share one server and one state."""
    home = tmp_path / "sagemaker"
    code = (
        "import sys; from pathlib import Path\n"
        "from mlops_assets.sagemaker_local.lifecycle import ensure_running\n"
        "server = ensure_running(Path(sys.argv[1])); print(server.url, server.pid)"
    )
    callers = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    try:
        answers = {caller.communicate(timeout=60)[0].strip() for caller in callers}
        assert len(answers) == 1
        found = lifecycle.running(home)
        assert answers == {f"{found.url} {found.pid}"}
    finally:
        assert lifecycle.stop(home)
    assert lifecycle.running(home) is None
    assert not lifecycle.stop(home)


def test_a_home_has_one_server(new_api):
    """Two servers over one state would each believe the other's jobs to be dead."""
    api = new_api()
    command = [sys.executable, "-m", "mlops_assets.sagemaker_local", "--home", str(api.home)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another server runs in" in (api.home / "server.log").read_text()
    assert api.sm.list_training_jobs()["TrainingJobSummaries"] == []


def test_a_start_that_fails_says_why(tmp_path):
    """ "It did not start" without a reason is where a newcomer stops."""
    with pytest.raises(lifecycle.StartError, match="no object store"):
        lifecycle.ensure_running(tmp_path / "sagemaker", objects="ftp://host")
    assert lifecycle.running(tmp_path / "sagemaker") is None


def test_stop_ends_a_server_that_does_not_react(tmp_path, monkeypatch):
    """`mlops down` must work on a server that hangs, too."""
    home = tmp_path / "sagemaker"
    server = lifecycle.ensure_running(home)
    monkeypatch.setattr(lifecycle, "_STOP_SECONDS", 0.5)
    os.kill(server.pid, signal.SIGSTOP)
    assert lifecycle.running(home) == server
    assert lifecycle.stop(home)
    eventually(lambda: not alive(server.pid))


def test_a_killed_server_leaves_no_orphan(new_api):
    """Kill -9 of the server: a training that goes on unseen, an old model on a port."""
    api = new_api()
    api.sm.create_training_job(**api.request("family", FAMILY))
    api.wait_for_line("family", "parent")
    api.wait_for_line("family", "child")
    api.model("served", "served")
    api.deploy("served", "served")
    mine = set(running_with(str(api.home))) - {api.process.pid}
    assert len(mine) >= 2 + 3 + 1  # supervisors, the job's three, the model server
    api.end(kill=True)
    eventually(lambda: not running_with(str(api.home)), within=20)


def test_without_a_supervisor_a_killed_parent_leaves_an_orphan(tmp_path):
    """The negative control of the test above: it does see a process that outlives its parent."""
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        f" cwd={str(tmp_path)!r})\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        orphan = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        try:
            eventually(lambda: running_with(str(tmp_path)) == [orphan])
            time.sleep(0.5)
            assert running_with(str(tmp_path)) == [orphan]
        finally:
            os.kill(orphan, signal.SIGKILL)


def test_a_killed_supervisor_takes_its_job_with_it(new_api):
    """The out-of-memory killer may choose any process: a job must not go on without its keeper."""
    api = new_api()
    script = "import os, time; print(os.getpid(), os.getppid()); time.sleep(600)"
    api.sm.create_training_job(**api.request("kept", script))
    eventually(lambda: api.lines("kept"))
    job, keeper = map(int, api.lines("kept")[0].split())
    os.kill(keeper, signal.SIGKILL)
    assert "its supervisor was killed" in api.wait("kept")["FailureReason"]
    eventually(lambda: not alive(job))


def test_a_terminated_server_leaves_no_orphan(new_api):
    """`mlops down` in the middle of a training."""
    api = new_api()
    api.sm.create_training_job(**api.request("family", FAMILY))
    api.wait_for_line("family", "child")
    api.end()
    eventually(lambda: not running_with(str(api.home)), within=20)


def test_after_a_kill_the_state_tells_the_truth(new_api):
    """A job shown as InProgress that nobody runs would be waited for until the end of time."""
    api = new_api("--job-workers", "1")
    api.train("done", "open('/opt/ml/model/m', 'w').write('m')")
    api.sm.create_training_job(**api.request("cut", FAMILY))
    api.wait_for_line("cut", "parent")
    api.sm.create_training_job(**api.request("queued", "print('ran')"))
    group = api.sm.create_model_package_group(ModelPackageGroupName="group")
    api.end(kill=True)
    api.start()
    assert api.describe("done")["TrainingJobStatus"] == "Completed"
    cut = api.describe("cut")
    assert (cut["TrainingJobStatus"], cut["SecondaryStatus"]) == ("Failed", "Failed")
    assert "stopped or killed while the job was running" in cut["FailureReason"]
    assert not api.objects.exists(cut["ModelArtifacts"]["S3ModelArtifacts"])
    assert api.wait("queued")["TrainingJobStatus"] == "Completed"
    assert api.lines("queued") == ["ran"]
    assert [entry.job for entry in read_ledger(api.home)] == ["done", "cut", "queued"]
    found = api.sm.describe_model_package_group(ModelPackageGroupName="group")
    assert found["ModelPackageGroupArn"] == group["ModelPackageGroupArn"]
    with pytest.raises(ClientError, match="ResourceInUse"):
        api.sm.create_training_job(**api.request("cut"))


def test_after_a_kill_endpoints_serve_again(new_api):
    """The first request after a restart waits for the model server instead of failing."""
    api = new_api()
    api.model("served", "served")
    api.deploy("served", "served")
    # What an endpoint serves was resolved when it was deployed.
    api.sm.delete_endpoint_config(EndpointConfigName="served")
    api.sm.delete_model(ModelName="served")
    api.end(kill=True)
    api.start()
    assert api.invoke("served") == "served:1"
    assert api.settled("served")["EndpointConfigName"] == "served"


def test_a_kill_in_the_middle_of_an_update_is_finished_afterwards(new_api):
    """Kill -9 in a deployment: the endpoint must end on one config, and serve meanwhile."""
    api = new_api()
    for name in ("old", "new"):
        api.model(name, name)
    api.deploy("moving", "old")
    api.sm.update_endpoint(EndpointName="moving", EndpointConfigName="new")
    api.end(kill=True)
    api.start()
    assert api.invoke("moving") in ("old:1", "new:1")
    assert api.settled("moving")["EndpointConfigName"] == "new"
    assert api.invoke("moving") == "new:1"


def test_a_full_log_does_not_fill_the_disk(tmp_path):
    """A script that prints in an endless loop."""
    spec = tmp_path / "spec.json"
    log = tmp_path / "log"
    script = "print('x' * 50_000_000); print('end')"
    spec.write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-c", script],
                "env": {},
                "cwd": str(tmp_path),
                "log": str(log),
                "log_limit": 1_000_000,
                "result": str(tmp_path / "result"),
                "mount": None,
            }
        )
    )
    command = [sys.executable, "-I", "-S", supervisor.__file__, str(spec)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(timeout=60) == 0
    assert (tmp_path / "result").exists()
    assert log.stat().st_size < 1_400_000
    assert "the rest is dropped" in log.read_text()[-100:]
