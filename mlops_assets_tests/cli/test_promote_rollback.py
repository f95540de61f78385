"""`mlops promote` and `mlops rollback`, on two real models of one pipeline."""

import re
import time
from collections.abc import Iterator

import pytest

from mlops_assets.resources.sagemaker.registry import promotion
from mlops_assets_tests.cli.promotions import (
    KILLED,
    Served,
    constant_load,
    corrupted,
    deployed,
    materialized_endpoint,
    told_in_the_ui,
)
from mlops_assets_tests.cli.test_commands import Shell

pytestmark = [pytest.mark.integration, pytest.mark.slow]


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


def test_the_drill_goes_back_at_once_and_loses_no_request(shell, served, capsys) -> None:
    """ML Test Score, Monitoring and Infrastructure 7: rolled back quickly and safely, measured."""
    with constant_load(served) as told:
        before = told["answers"][-1]
        started = time.monotonic()
        done = shell.mlops("rollback", "diabetes", "--reason", "answers too slowly", fresh=True)
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
    # A wall time would tell of the machine: the command's own work beside its interpreter's start.
    work = float(took[1])
    assert work < 3 * (seconds - work)
    assert "version 2 (as of all), now rolled-back" in done.stdout
    assert "serves now      version 1 (as of all)" in done.stdout
    assert served.version() == 1
    assert served.states() == ["champion", "rolled-back"]
    assert "answers too slowly" in served.package(2).decision
    page = told_in_the_ui(shell)
    assert page.startswith("failed: version 1 of diabetes, as of all, serves instead: version 2")
    assert "answers too slowly" in page


@pytest.mark.nightly
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


@pytest.mark.nightly
def test_with_nothing_to_go_back_to_it_says_so_and_changes_nothing(shell, served) -> None:
    assert shell.mlops("rollback", "diabetes").returncode == 0
    done = shell.mlops("rollback", "diabetes")
    assert done.returncode == 1
    assert "nothing to roll back to: no other version of diabetes has served" in done.stderr
    assert "Traceback" not in done.stderr
    assert (served.version(), served.states()) == (1, ["champion", "rolled-back"])


def test_a_corrupted_champion_is_not_deployed_again_and_the_previous_one_serves(shell, served):
    """Row 24: the deployment fails and says why, what is in memory serves on, one command is the
    way back, and it asks nothing of the corrupted archive."""
    with corrupted(served, 2):
        done = materialized_endpoint(shell)
        assert done.returncode != 0
        assert "is not deployed: its archive" in done.stdout + done.stderr
        assert served.version() == 2
        back = shell.mlops("rollback", "diabetes", "--reason", "its archive is corrupt")
    assert back.returncode == 0, back.stdout + back.stderr
    assert (served.version(), served.states()) == (1, ["champion", "rolled-back"])


def test_a_corrupted_previous_model_is_refused_and_what_serves_serves_on(shell, served) -> None:
    """A way back to a broken model is no way back."""
    with corrupted(served, 1):
        done = shell.mlops("rollback", "diabetes")
    assert done.returncode == 1
    assert "is not deployed: its archive" in done.stderr
    assert (served.version(), served.states()) == (2, ["previous", "champion"])


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
