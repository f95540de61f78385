"""The assembly: what is built, how light it loads, and that the graph is what was declared."""

import dataclasses
import subprocess
import sys
import textwrap

import dagster as dg
import pytest

from mlops_assets.definitions import build_defs
from mlops_assets.pipeline import Endpoint, Monitors
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.diabetes import declare

HEAVY = (
    "boto3", "matplotlib", "mlflow", "onnx", "onnxruntime", "pyiceberg", "sagemaker", "scipy",
    "shap", "sklearn", "torch", "xgboost",
)  # fmt: skip


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.integration
def test_loading_the_code_location_imports_nothing_heavy():
    """Each of these would cost every run, tick and code server seconds and memory."""
    done = run_python(
        f"""
        import sys
        from mlops_assets.definitions import defs
        assert len(defs().assets) > 9
        print([name for name in {HEAVY!r} if name in sys.modules])
        """
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.integration
def test_loading_touches_neither_disk_nor_network(tmp_path):
    """A code location that calls AWS at load time breaks with AWS."""
    done = run_python(
        """
        import socket
        def refuse(*args, **kwargs): raise AssertionError("network at load time")
        socket.socket.connect = refuse
        from mlops_assets.definitions import defs
        defs()
        """,
        MLOPS_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "home").exists()


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    settings = Settings.load(home=home)
    return build_defs(settings, pipelines=[declare(home, name="tiny")])


def test_the_graph_is_the_loop(graph):
    """A snapshot: a station or a dependency that goes missing is a broken loop."""
    found = {
        node.key.to_user_string().removeprefix("tiny/"): sorted(
            parent.to_user_string().removeprefix("tiny/") for parent in node.parent_keys
        )
        for node in graph.resolve_asset_graph().asset_nodes
        if node.group_name == "tiny"
    }
    assert found == {
        "raw": [],
        "clean": ["raw"],
        "quarantine": ["raw"],
        "features": ["clean"],
        "splits": ["features"],
        "model": ["splits"],
        "evaluation": ["model", "splits"],
        "registered_model": ["evaluation", "model", "splits"],
        "endpoint": ["registered_model", "splits"],
    }


def watching(pipeline, home) -> set[str]:
    """The names of the stations that watch a pipeline."""
    defs = build_defs(Settings.load(home=home), pipelines=[pipeline])
    specs = defs.resolve_all_asset_specs()
    return {spec.key.path[-1] for spec in specs if spec.group_name == f"{pipeline.name}_monitoring"}


def test_what_watches_answers_is_there_where_they_are_captured(tmp_path):
    """A snapshot: what goes missing here watches nothing any more, and nobody is told."""
    always = {"profile", "drift", "audit", "explanation", "health", "scorecard"}
    plain = declare(tmp_path, name="tiny")
    assert watching(plain, tmp_path) == always
    captured = dataclasses.replace(plain, endpoint=Endpoint(capture_share=1.0))
    answers = {"captures", "served_profile", "skew", "ground_truth", "performance"}
    assert watching(captured, tmp_path) == always | answers
    queued = dataclasses.replace(captured, monitors=Monitors(label_queue=10))
    assert watching(queued, tmp_path) == always | answers | {"label_queue"}
    assert watching(deliveries.declare(), tmp_path) == always | {"staleness"}


def test_checks_that_guard_the_next_station_block(graph):
    checks = {
        check.name: check.blocking
        for assets in graph.assets
        for check in assets.check_specs
        if assets.specs_by_key[check.asset_key].group_name == "tiny"
    }
    assert {name for name, blocking in checks.items() if blocking} == {
        "raw_schema", "quarantine_share", "entity_key_unique", "feature_schema", "point_in_time",
        "no_overlap", "artifact", "quality", "beats_baselines", "beats_champion", "no_leak",
        "answers",
    }  # fmt: skip
    assert {name for name, blocking in checks.items() if not blocking} == {
        "row_count", "label_share", "lookback", "training_window", "training_rules",
        "errors", "latency", "agreement", "promised_quality", "serves",
    }  # fmt: skip


def test_every_asset_says_whose_it_is_and_what_it_is(graph):
    for spec in graph.resolve_all_asset_specs():
        assert spec.group_name in ("tiny", "tiny_monitoring")
        assert spec.owners == ["team:tests"]
        assert spec.description
        assert spec.kinds
        assert spec.code_version


def test_overrides_replace_resources_by_name(tmp_path):
    from mlops_assets.resources.records import Store

    mine = Store(bucket="mine", objects=f"dir:{tmp_path}")
    built = build_defs(
        Settings.load(home=tmp_path), pipelines=[declare(tmp_path)], resources={"store": mine}
    )
    assert (built.resources or {})["store"] is mine


def test_the_definitions_are_valid(graph):
    dg.Definitions.validate_loadable(graph)
