"""An engine that cannot do what it says is refused when it is declared, or before a job starts."""

from dataclasses import replace

import pytest

from mlops_assets.assets.spark import module_of
from mlops_assets.engines import check_engine
from mlops_assets.permissions.needs import features
from mlops_assets.pipeline import DeclarationError, Spark
from mlops_assets_tests import deliveries
from mlops_assets_tests.spark import visits_on_spark


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"chunk_rows": 10}, "engine.chunk_rows: 10"),
        ({"order_by": ("a", "a")}, "engine.order_by"),
        ({"features_by": "shop"}, "engine.features_by"),
        ({"max_runtime_s": 1}, "engine.max_runtime_s"),
    ],
)
def test_a_wrong_field_is_named(wrong, named):
    with pytest.raises(DeclarationError, match=named):
        Spark(**wrong)


def test_an_unknown_engine_is_refused():
    with pytest.raises(DeclarationError, match="'polars' is no engine"):
        replace(deliveries.declare(), engine="polars")


def test_a_look_back_needs_time_or_groups():
    check_engine(Spark(features_by=("shop",)), event_time=None, look_back=True)
    check_engine(Spark(), event_time="at", look_back=True)
    with pytest.raises(DeclarationError, match=r"engine\.features_by"):
        check_engine(Spark(), event_time=None, look_back=True)


def test_a_pipeline_that_no_job_could_import_is_refused():
    """It would fail in the job, minutes later."""
    assert module_of(visits_on_spark.pipeline) == visits_on_spark.__name__
    with pytest.raises(DeclarationError, match="no module has 'deliveries'"):
        module_of(replace(deliveries.declare(), engine=Spark()))


def test_only_who_runs_on_spark_asks_for_its_permissions():
    assert "spark" in features(visits_on_spark.pipeline)
    assert "spark" not in features(replace(visits_on_spark.pipeline, engine="pandas"))
