"""Endpoints: deployed, invoked, failed, restarted, deleted."""

from __future__ import annotations

import http.client
import os
import signal
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, alive, eventually

pytestmark = pytest.mark.integration


def test_a_users_own_script_is_trained_deployed_and_invoked(api: LocalApi):
    """The promise of the local API: boto3 with an endpoint URL, and nothing of this project."""
    job = api.train("own", "open('/opt/ml/model/model.txt', 'w').write('own')")
    url = job["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": "any/plain:1", "ModelDataUrl": url}
    api.sm.create_model(ModelName="own", PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": "own", "InstanceType": "ml.m5.large"}
    variant |= {"InitialInstanceCount": 1}
    api.sm.create_endpoint_config(EndpointConfigName="own", ProductionVariants=[variant])
    api.sm.create_endpoint(EndpointName="own", EndpointConfigName="own")
    patience = {"Delay": 1, "MaxAttempts": 60}
    api.sm.get_waiter("endpoint_in_service").wait(EndpointName="own", WaiterConfig=patience)
    reply = api.runtime.invoke_endpoint(EndpointName="own", Body=b"1,2", ContentType="text/csv")
    assert reply["Body"].read() == b"own:1,2"
    assert reply["InvokedProductionVariant"] == "AllTraffic"


def test_a_model_that_cannot_start_fails_its_endpoint(api: LocalApi):
    """An endpoint that is Creating for ever."""
    api.model("hopeless", "bad")
    found = api.deploy("hopeless", "hopeless")
    assert found["EndpointStatus"] == "Failed"
    assert "exit code: 3" in found["FailureReason"]
    with pytest.raises(ClientError, match="not found"):
        api.invoke("hopeless")


@pytest.mark.parametrize("member", ["../../outside", "/outside"])
def test_an_archive_that_reaches_outside_is_refused(api: LocalApi, member):
    """A model archive from elsewhere must not write into the user's home."""
    name = "evil-" + str(len(member))
    uri = api.archive(f"s3://models/{name}.tar.gz", {"model.txt": "x", member: "x"})
    api.model(name, "x")
    api.archive(uri, {"model.txt": "x", member: "x"})
    found = api.deploy(name, name)
    assert found["EndpointStatus"] == "Failed"
    assert "outside" in found["FailureReason"]
    assert list(api.home.parent.rglob("outside")) == []


def test_a_dead_model_server_is_started_again(api: LocalApi):
    """An endpoint that says InService while nobody answers."""
    api.model("phoenix", "phoenix")
    api.deploy("phoenix", "phoenix")
    pid = int(api.invoke("phoenix", b"pid"))
    os.kill(pid, signal.SIGKILL)
    again = int(api.invoke("phoenix", b"pid"))
    assert again != pid
    assert not alive(pid)


def test_a_hanging_model_server_is_replaced(new_api, tmp_path):
    """A process that lives but answers nothing is as dead as one that does not live."""
    impatient = tmp_path / "impatient.py"
    impatient.write_text("""
import sys
from mlops_assets.sagemaker_local import __main__
from mlops_assets.sagemaker_local.fleet import replica
replica._PING_SECONDS = replica._WATCH_SECONDS = 0.3
sys.exit(__main__.main())
""")
    api = new_api(program=(str(impatient),))
    api.model("hangs", "hangs")
    api.deploy("hangs", "hangs")
    pid = int(api.invoke("hangs", b"pid"))
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: not alive(pid))
    assert int(api.invoke("hangs", b"pid")) != pid


def test_a_request_that_kills_its_server_is_an_error(api: LocalApi):
    """A poison request must be answered, and must not be sent round for ever."""
    api.model("poison", "poison")
    api.deploy("poison", "poison")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        api.invoke("poison", b"die")
    assert api.invoke("poison") == "poison:1"


def test_the_models_own_errors_come_through(api: LocalApi):
    """The model's "row 1, column x" is what the caller needs, not an internal error."""
    api.model("strict", "strict")
    api.deploy("strict", "strict")
    with pytest.raises(api.runtime.exceptions.ModelError) as caught:
        api.invoke("strict", b"wrong row")
    assert caught.value.response["OriginalStatusCode"] == 400
    assert caught.value.response["OriginalMessage"] == "row 1, column x"


def test_a_slow_answer_is_an_error_in_time(new_api):
    """The service waits 60 s and no longer (2 s in this test)."""
    api = new_api("--invoke-limit", "2")
    api.model("sleepy", "sleepy")
    api.deploy("sleepy", "sleepy")
    with pytest.raises(api.runtime.exceptions.ModelError, match="timed out"):
        api.invoke("sleepy", b"sleep")
    assert api.invoke("sleepy") == "sleepy:1"


def test_an_oversized_invocation_is_refused(api: LocalApi):
    """Fault matrix 36: 25 MB at most, answered with a reason."""
    api.model("narrow", "narrow")
    api.deploy("narrow", "narrow")
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc, timeout=30)
    connection.request("POST", "/endpoints/narrow/invocations", b"x" * (25 * 2**20 + 1))
    assert connection.getresponse().status == 413
    connection.close()
    assert len(api.invoke("narrow", b"x" * 2**20)) == 2**20 + len("narrow:")


def test_instances_are_processes(api: LocalApi):
    """Two instances must be two servers, and both must get requests."""
    api.model("twins", "twins", instances=2)
    api.deploy("twins", "twins")
    with ThreadPoolExecutor(4) as pool:
        over = time.monotonic() + 20
        pids: set[str] = set()
        while len(pids) < 2 and time.monotonic() < over:
            pids |= set(pool.map(lambda _: api.invoke("twins", b"pid"), range(8)))
    assert len(pids) == 2


def test_delete_ends_the_processes_and_frees_the_name(api: LocalApi):
    """A deleted endpoint that still runs, or a name that stays taken."""
    api.model("brief", "brief")
    api.deploy("brief", "brief")
    pid = int(api.invoke("brief", b"pid"))
    api.sm.delete_endpoint(EndpointName="brief")
    api.sm.get_waiter("endpoint_deleted").wait(
        EndpointName="brief", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    assert not alive(pid)
    assert api.deploy("brief", "brief")["EndpointStatus"] == "InService"


def test_an_endpoint_can_be_deleted_while_it_is_created(api: LocalApi):
    """A mistake noticed at once must not have to be waited for, nor leave a process."""
    api.model("regret", "regret")
    api.sm.create_endpoint(EndpointName="regret", EndpointConfigName="regret")
    with pytest.raises(ClientError, match="already existing"):
        api.sm.create_endpoint(EndpointName="regret", EndpointConfigName="regret")
    with pytest.raises(ClientError, match="in-progress"):
        api.sm.update_endpoint(EndpointName="regret", EndpointConfigName="regret")
    api.sm.delete_endpoint(EndpointName="regret")
    eventually(lambda: not api.sm.list_endpoints(NameContains="regret")["Endpoints"])
    assert not (api.home / "endpoints" / "regret").exists() or not any(
        (api.home / "endpoints" / "regret").iterdir()
    )


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", "a/../b", "x" * 80])
def test_invoking_what_is_not_there(api: LocalApi, name):
    """Names come from a URL: anything but an endpoint's name is answered with an error."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(api.url).netloc, timeout=30)
    connection.request("POST", f"/endpoints/{name}/invocations", b"1")
    response = connection.getresponse()
    assert response.status in (400, 404)
    assert response.getheader("x-amzn-errortype") is not None
    connection.close()
