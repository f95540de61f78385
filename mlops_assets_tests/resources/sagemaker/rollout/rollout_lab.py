"""Models that behave well or badly on purpose, an image that serves them, and a constant load.

Belongs here: what tests of rollouts share. `serve_behaviour.py` and `load.py` are programs of their
own, started as a container and as a caller would be.
"""

import gzip
import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import EndpointSpec
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.rollout.rollout import HeldOut
from mlops_assets.resources.sagemaker.rollout.rollout_verdict import Expected
from mlops_assets.serving import Endpoint
from mlops_assets_tests.resources.sagemaker.conftest import Lab, python_environment

HERE = Path(__file__).parent
PLACEMENT = Placement(image_uri="behaviour:1")
BAD = ("slow", "ill", "error", "nan", "schema")
"""Slow answers, no health, 5xx, NaN with a 200, and 400 for rows that the champion takes."""


def package(lab: Lab, group: str, name: str, behaviour: str = "good", answer: float = 0.5) -> str:
    """The ARN of a registered model of this behaviour."""
    home = Path(str(lab.sagemaker.local_home))
    home.mkdir(exist_ok=True)
    images = home / "images.json"
    known = json.loads(images.read_text()) if images.exists() else {}
    known["behaviour"] = {"serve": [sys.executable, str(HERE / "serve_behaviour.py")]}
    images.write_text(json.dumps(known))
    model = json.dumps({"name": name, "behaviour": behaviour, "answer": answer}).encode()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("behaviour.json")
        member.size = len(model)
        archive.addfile(member, io.BytesIO(model))
    uri = f"s3://lake/models/{group}/{name}/model.tar.gz"
    lab.objects().write(uri, gzip.compress(tar.getvalue()))
    return registry.register(
        lab.sagemaker.client(),
        group=group,
        model_data_url=uri,
        lineage={"name": name},
        status="Approved",
        placement=PLACEMENT,
    ).arn


def spec(name: str, arn: str, declared: Endpoint, **fields: Any) -> EndpointSpec:
    return EndpointSpec(
        name=name, package_arn=arn, declared=declared, placement=PLACEMENT, **fields
    )


def rows(n: int = 40, *, rmse: float | None = None, truth: float = 0.5) -> HeldOut:
    """Held-out rows whose label is ``truth`` give or take a tenth."""
    labels = truth + 0.1 * np.tile([1.0, -1.0], n // 2)
    return HeldOut([{"x": float(i)} for i in range(n)], Expected("rmse", rmse, n, labels))


@dataclass
class Load:
    """A constant load on one endpoint, by a process of its own."""

    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, url: str, endpoint: str, per_second: int) -> "Load":
        process = subprocess.Popen(
            [sys.executable, str(HERE / "load.py"), url, endpoint, str(per_second)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=python_environment(),
        )
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "started"
        return cls(process)

    def stop(self) -> dict[str, Any]:
        """What became of the requests."""
        told, _ = self.process.communicate("stop\n", timeout=60)
        return json.loads(told)
