"""The image: what SageMaker reads off it, and that the lock brings all that the verbs import."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from mlops_assets.containers.serve_settings import ServeSettings
from mlops_assets.resources.emr.requests import PYTHON

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlops_assets"
CAPABILITIES = "com.amazonaws.sagemaker.capabilities"
# Extras: a user who declares a torch network, or a GPU, builds an image that has them.
OPTIONAL = {"torch"}


def _stages() -> dict[str, list[list[str]]]:
    """{stage: its instructions as words}, those of the stage that it is made from first."""
    text = re.sub(r"^#.*\n", "", (ROOT / "deploy/docker/Dockerfile").read_text(), flags=re.M)
    stages: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line) if line.strip() else []
        if words[:1] == ["FROM"]:
            current = stages[words[3]] = list(stages.get(words[1], []))
        elif words:
            current.append(words)
    return stages


def _pairs(stage: str, instruction: str) -> dict[str, str]:
    found = [word for words in _stages()[stage] if words[0] == instruction for word in words[1:]]
    return dict(word.split("=", 1) for word in found)


def test_several_models_may_be_hosted() -> None:
    """SageMaker refuses a multi-model endpoint of an image that does not say that it can."""
    labels = _pairs("sagemaker", "LABEL")
    assert labels[f"{CAPABILITIES}.multi-models"] == "true"
    assert labels[f"{CAPABILITIES}.accept-bind-to-port"] == "true"
    assert not any(label.startswith(CAPABILITIES) for label in _pairs("dagster", "LABEL"))


def test_the_server_answers_outside_its_own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on the container's loopback address, which SageMaker's ping never reaches."""
    image = _pairs("sagemaker", "ENV")
    monkeypatch.delenv("MLOPS_BIND_HOST", raising=False)
    for name in ("SAGEMAKER_MODEL_SERVER_WORKERS", "ORT_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, image[name])
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9999")
    settings = ServeSettings.from_environ()
    assert (settings.host, settings.port) == ("0.0.0.0", 9999)
    assert settings.workers >= 1


@pytest.mark.parametrize("stage", ["sagemaker", "gpu", "spark", "dagster"])
def test_stages_end_as_they_are_run(stage: str) -> None:
    """A shell that keeps SIGTERM to itself; a health check beside SageMaker's own."""
    instructions = _stages()[stage]
    assert ["HEALTHCHECK", "NONE"] in instructions
    assert ["ENTRYPOINT", "[mlops-entrypoint]"] in instructions
    assert [words[1] for words in instructions if words[0] == "USER"] == [
        "10001:10001" if stage == "dagster" else "0:0"
    ]


def test_the_control_plane_may_write_where_its_task_says() -> None:
    """A volume over /tmp that belongs to root, because the image did not say that it is one."""
    assert ["VOLUME", "[/tmp]"] in _stages()["dagster"]


def test_images_are_built_on_what_somebody_chose() -> None:
    """A base that is another one tomorrow."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    outside = re.findall(r"^FROM (\S*[/:]\S*)", text, re.M)
    assert len(outside) == 4
    assert all(re.search(r"@\$\{[A-Z_]+_DIGEST\}$", base) for base in outside)
    assert not re.search(r"^ARG [A-Z_]+_DIGEST=", text, re.M)


def test_spark_has_the_same_python_wherever_it_runs() -> None:
    """Drivers and executors that look for a Python that their image has not."""
    assert _stages()["emr"][-1] == ["USER", "hadoop:hadoop"]
    assert any(f"{Path(PYTHON).parent}/pip" in words for words in _stages()["emr"])
    assert not any(
        "requirements-spark.lock" in word for words in _stages()["emr"] for word in words
    )
    installed = [word for words in _stages()["spark"] for word in words]
    assert any(word.startswith("openjdk-17-jre-headless=") for word in installed)


def test_the_image_for_gpus_has_the_same_xgboost() -> None:
    """A model of one version, trained on a GPU, that another version reads."""
    cpu = re.findall(r"^xgboost-cpu==(\S+) ", (ROOT / "requirements.lock").read_text(), re.M)
    lock = (ROOT / "deploy" / "requirements-gpu.lock").read_text()
    gpu = re.findall(r"^xgboost==(\S+) ", lock, re.M)
    assert gpu == cpu


def _imported(files: list[Path]) -> set[str]:
    def modules(tree: ast.AST) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module

    found = {
        name.partition(".")[0] for file in files for name in modules(ast.parse(file.read_text()))
    }
    return found - set(sys.stdlib_module_names) - {"mlops_assets"}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_brings_what_the_verbs_import() -> None:
    """A module that is there where tests run, and missing in the image at the first request."""
    files = [*(PACKAGE / "containers").rglob("*.py"), *(PACKAGE / "ml").rglob("*.py")]
    imported = _imported(files) - OPTIONAL
    assert {"httptools", "onnxruntime", "orjson", "pyarrow", "uvloop", "xgboost"} <= imported
    locked = {
        match[1]
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if (match := re.match(r"([a-z0-9._-]+)(\[[^]]*\])?==", line))
    }
    provided = metadata.packages_distributions()
    unlocked = [
        module
        for module in sorted(imported)
        if not {_normal(name) for name in provided.get(module, [])} & locked
    ]
    assert unlocked == []
