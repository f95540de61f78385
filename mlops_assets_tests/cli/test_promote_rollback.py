"""`mlops promote` and `mlops rollback`, on two real models of one pipeline."""

import http.client
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from mlops_assets.resources.sagemaker import promotion, registry
from mlops_assets.resources.sagemaker.endpoints import serving_package
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests.cli.test_commands import Shell

pytestmark = pytest.mark.integration

# Kills the command at one call to SageMaker, before or after it has had its effect.
KILLED = """
import os, signal, sys
from mlops_assets.cli import main
from mlops_assets.resources.sagemaker import session
opened, seen = session.SageMakerResource._open, []
event, number = sys.argv.pop(1), int(sys.argv.pop(1))
def die(**_):
    seen.append(1)
    if len(seen) == number:
        os.kill(os.getpid(), signal.SIGKILL)
def _open(self, service, endpoint):
    client = opened(self, service, endpoint)
    if service == "sagemaker":
        client.meta.events.register(event, die)
    return client
session.SageMakerResource._open = _open
main()
"""


class Served:
    """What the registry and the endpoint of the shell's world say."""

    def __init__(self, shell: Shell) -> None:
        self.home = shell.environment["MLOPS_HOME"]
        self.sagemaker = SageMakerResource(
            local_home=f"{self.home}/sagemaker", local_objects=f"dir:{self.home}/buckets"
        )

    @property
    def client(self):
        return self.sagemaker.client()

    def version(self) -> int:
        arn = serving_package(self.client, "diabetes")
        return registry.describe(self.client, arn).version if arn else 0

    def package(self, version: int) -> registry.ModelPackage:
        return registry.describe(self.client, f"diabetes/{version}")

    def states(self) -> list[str]:
        return [self.package(version).state for version in (1, 2)]


def deployed(shell: Shell, *, rounds: int) -> None:
    shell.environment["TINY_ROUNDS"] = str(rounds)
    done = shell.mlops("demo", "diabetes")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Two models, the second of which won against the first and serves."""
    shell = Shell(tmp_path_factory.mktemp("promotions"))
    deployed(shell, rounds=10)
    deployed(shell, rounds=40)
    yield shell
    shell.mlops("down")


@pytest.fixture
def served(shell) -> Iterator[Served]:
    """Version 2 serves and version 1 did before, whatever an earlier test left."""
    served = Served(shell)
    client = served.client
    if served.states() != ["previous", "champion"] or served.version() != 2:
        for version in (1, 2):
            promotion.approve(
                client, "diabetes", served.package(version).arn, by="a fixture", reason="reset"
            )
        if served.version() != 2:
            assert shell.mlops("rollback", "diabetes", "--to", "2").returncode == 0
        promotion.approve(client, "diabetes", served.package(1).arn, by="a fixture")
        for version in (1, 2):
            promotion.mark_champion(client, "diabetes", served.package(version).arn)
    assert served.states() == ["previous", "champion"]
    return served


@contextmanager
def constant_load(served: Served, *, callers: int = 4, a_second: int = 25) -> Iterator[dict]:
    """Callers that each ask at a constant rate; yields what became of their requests."""
    url = urlsplit(served.sagemaker.runtime().meta.endpoint_url)
    row = {name: 50.0 for name in ("age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")}
    body = json.dumps({"instances": [{**row, "sex": "A"}]})
    told: dict = {"answered": 0, "lost": [], "answers": []}
    stop = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        due = time.monotonic()
        while not stop.is_set():
            try:
                connection.request(
                    "POST",
                    "/endpoints/diabetes/invocations",
                    body,
                    {"Content-Type": "application/json"},
                )
                reply = connection.getresponse()
                text = reply.read()
                if reply.status == 200:
                    told["answered"] += 1
                    told["answers"].append(json.loads(text)["predictions"][0])
                else:
                    told["lost"].append(f"{reply.status} {text[:200]!r}")
            except OSError as error:
                told["lost"].append(repr(error))
            due += 1 / a_second
            stop.wait(max(0.0, due - time.monotonic()))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield told
        time.sleep(1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_drill_goes_back_at_once_and_loses_no_request(shell, served, capsys) -> None:
    """ML Test Score, Monitoring and Infrastructure 7: rolled back quickly and safely, measured."""
    with constant_load(served) as told:
        before = told["answers"][-1]
        started = time.monotonic()
        done = shell.mlops("rollback", "diabetes", "--reason", "answers too slowly")
        seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout + done.stderr
    took = re.search(r"took +([\d.]+) s", done.stdout)
    assert took
    with capsys.disabled():
        print(
            f"\nrollback drill: {took[1]} s, {seconds:.1f} s with the command's start; "
            f"{told['answered']} requests answered, {len(told['lost'])} lost"
        )
    assert told["lost"] == []
    assert told["answered"] > 20
    assert told["answers"][-1] != before, "another model answers"
    assert seconds < 30
    assert "version 2 (as of all), now rolled-back" in done.stdout
    assert "serves now      version 1 (as of all)" in done.stdout
    assert served.version() == 1
    assert served.states() == ["champion", "rolled-back"]
    assert "answers too slowly" in served.package(2).decision


def test_what_was_rolled_back_does_not_come_back_by_itself(shell, served) -> None:
    """Neither by the demo, which brings up what is stale, nor by materializing the endpoint."""
    assert shell.mlops("rollback", "diabetes").returncode == 0
    done = shell.mlops("demo", "diabetes")
    assert done.returncode == 0, done.stdout + done.stderr
    again = shell.python(
        "-m", "dagster", "asset", "materialize", "-m", "mlops_assets.definitions",
        "--select", 'key:"diabetes/registered_model"+', "--partition", "all",
    )  # fmt: skip
    assert served.version() == 1, again.stdout + again.stderr
    assert served.states() == ["champion", "rolled-back"]
    # Until a person says so.
    approved = shell.mlops("promote", "diabetes", "2", "--reason", "it was the network")
    assert "Approved version 2" in approved.stdout, approved.stderr
    assert served.states() == ["champion", "approved"]


def test_with_nothing_to_go_back_to_it_says_so_and_changes_nothing(shell, served) -> None:
    assert shell.mlops("rollback", "diabetes").returncode == 0
    done = shell.mlops("rollback", "diabetes")
    assert done.returncode == 1
    assert "nothing to roll back to: no other version of diabetes has served" in done.stderr
    assert "Traceback" not in done.stderr
    assert (served.version(), served.states()) == (1, ["champion", "rolled-back"])


def test_a_corrupted_previous_model_is_refused_and_what_serves_serves_on(shell, served) -> None:
    """Row 24, the other way round: a way back to a broken model is no way back."""
    package = served.package(1)
    objects = f"{served.home}/buckets/{package.model_data_url.removeprefix('s3://')}"
    with open(objects, "rb") as archive:
        sound = archive.read()
    with open(objects, "wb") as archive:
        archive.write(sound[: len(sound) // 2])
    try:
        done = shell.mlops("rollback", "diabetes")
        assert done.returncode == 1
        assert "is not deployed: its archive" in done.stderr
        assert (served.version(), served.states()) == (2, ["previous", "champion"])
    finally:
        with open(objects, "wb") as archive:
            archive.write(sound)


@pytest.mark.parametrize(
    ("event", "number", "serving"),
    [
        ("after-call.sagemaker.UpdateModelPackage", 1, 2),  # taken out, still serving
        ("after-call.sagemaker.UpdateEndpoint", 1, None),  # on its way
        ("before-call.sagemaker.UpdateModelPackage", 2, 1),  # back, the registry not told
    ],
)
def test_killed_anywhere_a_second_call_finishes_it(shell, served, event, number, serving) -> None:
    """Row 23: exactly one champion, the bad one out, and no step further back than was asked."""
    killed = shell.python("-c", KILLED, event, str(number), "rollback", "diabetes")
    assert killed.returncode == -9, killed.stdout + killed.stderr
    if serving:
        assert served.version() == serving
    done = shell.mlops("rollback", "diabetes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (served.version(), served.states()) == (1, ["champion", "rolled-back"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("promote", "diabetes"), "no version of diabetes waits for approval; version 2"),
        (("promote", "diabetes", "2"), "version 2 (as of all) serves already"),
        (("promote", "diabetes", "2", "--reject"), "take it out with"),
        (("promote", "diabetes", "77"), "there is no model package diabetes/77"),
        (("promote", "diabetes", "best"), "'best' is neither a version, such as 3, nor an ARN"),
        (("rollback", "diabetes", "--to", "2"), "version 2 (as of all) serves already"),
        (("rollback", "nothing"), "there is no pipeline 'nothing'"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(shell, served, arguments, message) -> None:
    done = shell.mlops(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (served.version(), served.states()) == (2, ["previous", "champion"])


def test_a_rejected_version_is_not_gone_back_to(shell, served) -> None:
    rejected = shell.mlops("promote", "diabetes", "1", "--reject", "--reason", "label leaked")
    assert "Rejected version 1 (as of all); version 2 (as of all) serves on" in rejected.stdout
    done = shell.mlops("rollback", "diabetes", "--to", "1")
    assert done.returncode == 1
    assert "version 1 (as of all) is rejected" in done.stderr
    assert "label leaked" in done.stderr


def test_where_approval_is_manual_it_takes_somebody_else(tmp_path) -> None:
    """Security demand 12. On one's own machine one may, and the registry keeps that one did."""
    shell = Shell(tmp_path)
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.email"}
    shell.environment |= {"TINY_APPROVAL": "manual", **git, "GIT_CONFIG_VALUE_0": "ada@example.com"}
    try:
        waiting = shell.mlops("demo", "diabetes")
        assert "waits for approval" in waiting.stdout, waiting.stdout + waiting.stderr
        package = registry.describe(Served(shell).client, "diabetes/1")
        assert (package.state, package.trained_by) == ("candidate", "ada@example.com")
        refused = shell.mlops("promote", "diabetes")
        assert refused.returncode == 1
        assert "ada@example.com trained version 1 (as of all): somebody else" in refused.stderr
        own = shell.mlops("promote", "diabetes", "--self-approve")
        assert own.returncode == 0, own.stderr
        decision = registry.describe(Served(shell).client, "diabetes/1").decision
        assert decision == "approved by ada@example.com (who trained it)"
        shell.environment["GIT_CONFIG_VALUE_0"] = "bob@example.com"
        second = shell.mlops("promote", "diabetes", "1", "--reason", "looked at the slices")
        assert second.returncode == 0, second.stderr
        assert "The sensor diabetes_approval starts its rollout" in second.stdout
        line = next(line for line in second.stdout.splitlines() if line.startswith("dagster asset"))
        done = subprocess.run(
            ["bash", "-c", line.replace("dagster", "python -m dagster", 1)],
            capture_output=True, text=True, check=False, env=shell.environment | shell_path(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        found = registry.describe(Served(shell).client, "diabetes/1")
        assert found.state == "champion"
        assert found.decision == "approved by bob@example.com: looked at the slices"
    finally:
        shell.mlops("down")


def shell_path() -> dict[str, str]:
    """A PATH whose python is this one's."""
    import os
    import sys
    from pathlib import Path

    return {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
