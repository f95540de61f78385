"""docs/jobs.md, followed literally: its assets are materialized, its table is what they show."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.processing import PipesSageMakerProcessingClient
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient
from mlops_assets.resources.sagemaker.transform import PipesSageMakerTransformClient
from mlops_assets.resources.sagemaker.tuning import SageMakerTuningClient
from mlops_assets.sagemaker_local import lifecycle
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.record_models import RecordModels

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    home = tmp_path / "sagemaker"
    objects = f"dir:{tmp_path / 'buckets'}"
    yield Lab(tmp_path, SageMakerResource(local_home=str(home), local_objects=objects))
    lifecycle.stop(home)


def assets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's blocks define; its scripts become files of a folder, which is then ours."""
    monkeypatch.chdir(folder)
    found: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
        named = re.match(r"# (\S+\.py)\n", block)
        if named:
            script = folder / named[1]
            script.parent.mkdir(exist_ok=True)
            script.write_text(block)
        else:
            exec(compile(block, "docs/jobs.md", "exec"), found)  # noqa: S102 - our own page
    return found


def promised() -> dict[str, set[str]]:
    """{kind: the metadata that the page's table says it shows}"""
    table = re.search(r"^\| \| training .*?\n\n", PAGE, re.M | re.S)
    assert table is not None
    head, _, *rows = [line.strip("| ").split(" | ") for line in table[0].strip().splitlines()]
    kinds = [name.strip("| ") for name in head]
    return {
        kind: {key for row in rows for key in re.findall(r"`(\w+)`", row[column + 1])}
        for column, kind in enumerate(kinds)
    }


@pytest.mark.integration
def test_every_client_does_in_five_lines_what_the_page_says(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that nobody runs is wrong within weeks."""
    lab.objects().write("s3://lake/churn/2026-01/rows.csv", b"1\n2\n3\n")
    model = RecordModels(lab)("page")
    container = lab.sagemaker.client().describe_model(ModelName=model)["PrimaryContainer"]
    lab.sagemaker.client().create_model(ModelName="churn-1", PrimaryContainer=container)
    store = lab.objects()
    given = (lab.sagemaker, lambda: store, "lake")
    page = assets(tmp_path, monkeypatch)
    done = dg.materialize(
        [page["model"], page["report"], page["predictions"], page["search"]],
        resources={
            "training_jobs": PipesSageMakerTrainingClient(*given, poll_interval=0.1),
            "processing_jobs": PipesSageMakerProcessingClient(*given, poll_interval=0.1),
            "transform_jobs": PipesSageMakerTransformClient(*given, poll_interval=0.1),
            "tuning_jobs": SageMakerTuningClient(*given, poll_interval=0.1),
        },
    )
    kinds = {
        "model": "training", "report": "processing", "predictions": "transform", "search": "search",
    }  # fmt: skip
    for name, kind in kinds.items():
        (event,) = done.asset_materializations_for_node(name)
        missing = promised()[kind] - event.metadata.keys()
        assert not missing, f"the page promises of {kind}: {missing}"
    assert page["defs"].resolve_asset_graph().has(dg.AssetKey("model"))
    assert store.read("s3://lake/reports/2026-01/report.md") == b"# Churn: 3"
    assert store.read("s3://lake/predictions/2026-01/rows.csv.out") == b"10\n20\n30\n"


def test_the_page_is_read_as_it_is_written() -> None:
    """The negative control: a table or blocks that are not found would promise nothing."""
    shown = promised()
    assert sorted(shown) == ["processing", "search", "training", "transform"]
    assert "spot_savings" in shown["training"]
    assert "spot_savings" not in shown["transform"]
    assert len(re.findall(r"^```python\n", PAGE, re.M)) == 10
