"""`make demo PIPELINE=digits`: the second reference pipeline, as a newcomer runs it."""

import json
import re
import subprocess
from importlib.util import find_spec

import pytest

from mlops_assets.pipelines import declared
from mlops_assets_tests.cli.test_commands import ROOT, Shell
from mlops_assets_tests.delivery.make import making

VARIANTS = ("gpu", "network", "schedule")


def test_make_demo_installs_torch_for_what_trains_with_it():
    """A pipeline that is not in the Makefile's list: the demo stops at its first training."""
    variants = (f"mlops_assets.pipelines.flight_delays.{each}" for each in VARIANTS)
    shipped = declared(variants)
    found = {
        each.name: "install-torch.sh" in making("demo", f"PIPELINE={each.name}") for each in shipped
    }
    assert found == {each.name: "torch" in each.training.needs for each in shipped}
    assert set(found.values()) == {True, False}


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("digits"))
    del shell.environment["MLOPS_PIPELINES"]
    yield shell
    shell.mlops("down")


@pytest.mark.nightly
@pytest.mark.integration
@pytest.mark.skipif(
    find_spec("torch") is None, reason="trains with torch: make test installs it where it can"
)
def test_the_demo_of_digits_ends_with_an_endpoint_that_answers(shell):
    """What make's last line runs: a network trained on images, beside its baseline, and served."""
    assert making("demo", "PIPELINE=digits").splitlines()[-1].endswith("mlops demo digits")
    done = shell.mlops("demo", "digits")
    assert done.returncode == 0, done.stdout + done.stderr
    line = re.search(r"^accuracy +(\d\.\d+) +(\d\.\d+)", done.stdout, re.M)
    assert line, done.stdout
    assert float(line[1]) > float(line[2])
    assert "what came true" in done.stdout
    curl = next(line for line in done.stdout.splitlines() if line.startswith("curl "))
    answer = subprocess.run(
        ["bash", "-c", curl], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert len(json.loads(answer.stdout)["predictions"]) == 1
    assert "digits" in shell.mlops("status").stdout
