"""Good and bad challengers, one after the other, under a constant load: no request is ever lost.

``ROLLOUTS`` (12) and ``ROLLOUTS_SEED`` choose another run: ``ROLLOUTS=50 pytest …`` takes four
minutes. Requests that a bad challenger itself answered wrongly, in its share of the traffic, are
counted apart.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.rollout.rollout import RolloutFailed, roll_out
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.rollouts import AllAtOnce, Bounds, Canary
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets.serving import Endpoint
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import (
    BAD,
    Load,
    package,
    rows,
    spec,
)

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PER_SECOND = 520  # offered by the clock; at least 500 a second must come through
# Wide: a busy machine slows a good model down, too; the slow one takes 1.2 s.
BOUNDS = Bounds(p99_ms=1000, slowdown=10_000)


def run(lab: Lab, name: str, rollouts: int, seed: int) -> dict[str, Any]:
    """So many rollouts of random behaviours under load; what became of requests and models."""
    chance = random.Random(seed)
    client = lab.sagemaker.client()
    declared = Endpoint(rollout=Canary(share=0.1, bake_s=3), bounds=BOUNDS)
    serving = package(lab, name, f"{name}-0")
    roll_out(lab.sagemaker, spec(name, serving, declared), rows(), poll_s=0.2)
    load = Load.start(client.meta.endpoint_url, name, PER_SECOND)
    kinds, wrong = [], []
    try:
        for number in range(1, rollouts + 1):
            kinds.append("good" if chance.random() < 0.5 else chance.choice(BAD))
            arn = package(lab, name, f"{name}-{number}", kinds[-1])
            try:
                roll_out(lab.sagemaker, spec(name, arn, declared), rows(), poll_s=0.2)
                promoted, said = True, ""
            except RolloutFailed as error:
                promoted, said = False, str(error)
            serves = serving_package(client, name)
            expected = arn if kinds[-1] == "good" else serving
            if promoted != (kinds[-1] == "good") or serves != expected:
                wrong.append(f"rollout {number}, {kinds[-1]}: serves {serves}; {said}")
            serving = str(serves)
    finally:
        found = load.stop()
    answered = found["good"] + found["own"]
    print(
        f"\nseed {seed}: {rollouts} rollouts, {kinds.count('good')} good; {answered:,} requests "
        f"answered in {found['seconds']:.0f} s ({answered / found['seconds']:.0f}/s), "
        f"{found['own']:,} wrongly by bad challengers themselves, {found['lost']} lost, "
        f"{found['refused']} refused by an overloaded machine, p99 {found['p99_ms']:.0f} ms"
    )
    return {**found, "wrong": wrong, "kinds": kinds}


def seed() -> int:
    return int(os.environ.get("ROLLOUTS_SEED", "20130101"))


def test_rollouts_under_load_lose_no_request(lab: Lab) -> None:
    """Guards against a swap that cuts requests off, a bad model that stays, a good one refused."""
    found = run(lab, "loaded", int(os.environ.get("ROLLOUTS", "12")), seed())
    assert found["wrong"] == []
    assert found["lost"] == 0, found["first lost"]
    assert {"good"} < set(found["kinds"]), "a seed that tries one kind only proves little"


@pytest.fixture
def without_drain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A local API that ends a fleet at once, whatever it is answering, and sends nothing again."""
    monkeypatch.setenv("MLOPS_LOCAL_API_DRAIN", "0")
    home = tmp_path / "sagemaker"
    objects = f"dir:{tmp_path / 'buckets'}"
    yield Lab(tmp_path, SageMakerResource(local_home=str(home), local_objects=objects))
    lifecycle.stop(home)


def test_without_the_drain_requests_are_lost(without_drain: Lab) -> None:
    """The negative control: this load does notice a fleet that ends too early."""
    lab, declared = without_drain, Endpoint(rollout=AllAtOnce(), bounds=BOUNDS)
    arns = [package(lab, "cut", f"cut-{n}", "steady") for n in range(4)]
    roll_out(lab.sagemaker, spec("cut", arns[0], declared), rows(4), poll_s=0.2)
    load = Load.start(lab.sagemaker.client().meta.endpoint_url, "cut", PER_SECOND)
    try:
        for arn in arns[1:]:
            roll_out(lab.sagemaker, spec("cut", arn, declared), rows(4), poll_s=0.2)
    finally:
        found = load.stop()
    assert found["lost"] > 0
