"""The declaration: what is wrong with it is said when it is made, by field, with the remedy."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.pipeline import (
    Batch,
    DeclarationError,
    Endpoint,
    Evaluation,
    Gate,
    Label,
    Split,
    Training,
)
from mlops_assets_tests.diabetes import declare


@pytest.fixture
def pipeline(tmp_path):
    return declare(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Flight Delays"}, r"name: 'Flight Delays' is not a name\. Use up to 40"),
        ({"owners": ()}, "owners: nobody owns the pipeline"),
        ({"owners": ("someone",)}, "owners: 'someone' is neither a team nor an address"),
        ({"entity_key": ()}, "entity_key: is empty"),
        ({"entity_key": ("id",)}, r"entity_key: 'id' is not a column.*Its columns are patient"),
        ({"label": Label(column="y", kind="regression")}, r"label\.column: 'y' is not a column"),
        ({"baselines": ("prior",)}, "baselines: 'prior' is no baseline of a regression label"),
        ({"personal": ("nmae",)}, "personal: 'nmae' is a column of neither schema"),
        ({"horizon": timedelta(hours=2)}, "event_time: is not set, and known_at, horizon"),
        ({"source": object()}, r"source: object has no partitions\(\)"),
        (
            {"evaluation": Evaluation(primary="rmse", slices=("hospital",))},
            r"evaluation\.slices: 'hospital' is not a column",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(pipeline, change, message):
    with pytest.raises(DeclarationError, match=message):
        dataclasses.replace(pipeline, **change)


def test_time_partitions_need_an_event_time(pipeline):
    from mlops_assets.partitions import Partitions

    with pytest.raises(DeclarationError, match="event_time: is not set, and the partitions are"):
        dataclasses.replace(pipeline, partitions=Partitions(kind="daily", start="2020-01-01"))


def test_parts_are_validated_too(tmp_path):
    script = Path(__file__)
    with pytest.raises(DeclarationError, match=r"training\.script: .* is not a file"):
        Training(script=tmp_path / "missing.py")
    with pytest.raises(DeclarationError, match="does not have exactly one group"):
        Training(script=script, metrics={"auc": "auc: .*"})
    with pytest.raises(DeclarationError, match="instance_count: 0 is below 1"):
        Training(script=script, instance_count=0)


@pytest.mark.parametrize(
    ("first", "alternates", "message"),
    [
        ("ml.m5.large", ("m5.xlarge",), "'m5.xlarge' is no instance type"),
        ("ml.m5.large", ("ml.m5.large",), "ml.m5.large is asked for already"),
        ("ml.m5.large", ("ml.c5.large", "ml.c5.large"), "ml.c5.large is asked for already"),
        ("ml.g5.xlarge", ("ml.m5.large",), "only one has a GPU"),
    ],
)
def test_a_wrong_alternate_is_named_with_its_remedy(first, alternates, message, tmp_path):
    """A misspelt alternate shows only on the day when there is no capacity."""
    script = tmp_path / "train.py"
    script.touch()
    with pytest.raises(DeclarationError, match=rf"training\.alternates: .*{message}"):
        Training(script=script, instance_type=first, alternates=alternates)
    with pytest.raises(DeclarationError, match=rf"batch\.alternates: .*{message}"):
        Batch(instance_type=first, alternates=alternates)


def test_alternates_make_no_predictions_stale():
    """Which instance answered is no part of what was answered."""
    assert repr(Batch(alternates=("ml.m5.xlarge",))) == repr(Batch())
    with pytest.raises(DeclarationError, match="exactly one of at_least and at_most"):
        Gate(metric="auc")
    with pytest.raises(DeclarationError, match="capture_share: 2 is not a share"):
        Endpoint(capture_share=2)
    with pytest.raises(DeclarationError, match="holdout_share: 1 is not a share"):
        Split(holdout_share=1)


def test_features_are_what_is_neither_key_nor_time_nor_label(pipeline):
    assert pipeline.feature_columns == (
        "sex", "age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6",
    )  # fmt: skip


def test_an_undefined_metric_never_passes_a_gate():
    """NaN compares false with everything, and `not value < bound` would let it through."""
    assert not Gate(metric="auc", at_least=0.5).holds(float("nan"))
    assert not Gate(metric="rmse", at_most=10).holds(float("nan"))


def test_code_version_follows_the_source(pipeline, tmp_path):
    script = tmp_path / "train.py"
    script.write_text("print(1)")
    before = pipeline.code_version(script)
    assert before == pipeline.code_version(script)
    script.write_text("print(2)")
    assert before != pipeline.code_version(script)


def test_code_version_sees_a_change_in_a_module_beside_it(pipeline, tmp_path, monkeypatch):
    """A helper that features import must make features stale, or old features would be served."""
    package = tmp_path / "mypipeline"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "windows.py").write_text("SIZE = 1\n")
    (package / "unused.py").write_text("")
    (package / "features.py").write_text(
        "from mypipeline.windows import SIZE\n\ndef features(df, history):\n    return df\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from mypipeline.features import features  # type: ignore[import-not-found]

    before = pipeline.code_version(features)
    (package / "unused.py").write_text("CHANGED = True\n")
    assert pipeline.code_version(features) == before
    (package / "windows.py").write_text("SIZE = 2\n")
    assert pipeline.code_version(features) != before
