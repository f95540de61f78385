"""An engine that cannot do what it says is refused when it is declared, or before a job starts."""

from dataclasses import replace

import pytest

from mlops_assets.assets.spark import module_of
from mlops_assets.assets.spark_places import pool, require_image, workers_of
from mlops_assets.engines import check_engine
from mlops_assets.objects import open_objects
from mlops_assets.permissions.needs import features
from mlops_assets.pipeline import DeclarationError, EMRServerless, Spark
from mlops_assets.spark import job, session
from mlops_assets.spark.job import message
from mlops_assets_tests import deliveries
from mlops_assets_tests.spark import visits_on_spark


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"chunk_rows": 10}, "engine.chunk_rows: 10"),
        ({"order_by": ("a", "a")}, "engine.order_by"),
        ({"features_by": "shop"}, "engine.features_by"),
        ({"max_runtime_s": 1}, "engine.max_runtime_s"),
        ({"runs_on": "emr"}, "engine.runs_on: 'emr' is no place"),
        ({"runs_on": EMRServerless(), "image_uri": "x"}, "engine.image_uri: 'x' has no say"),
    ],
)
def test_a_wrong_field_is_named(wrong, named):
    with pytest.raises(DeclarationError, match=named):
        Spark(**wrong)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"executors": 0}, "executors: 0 is too few"),
        ({"cores": 3}, r"cores: 3 .* Use one of 1, 2, 4, 8, 16"),
        ({"cores": 4, "memory_gb": 31}, "Use 8 to 30, in steps of 1"),
        ({"cores": 8, "memory_gb": 18}, "Use 16 to 60, in steps of 4"),
        ({"disk_gb": 10}, "Use 20 to 200"),
    ],
)
def test_a_worker_that_aws_has_not_is_named(wrong, named):
    """StartJobRun takes it, and the job fails minutes later."""
    with pytest.raises(DeclarationError, match=named):
        EMRServerless(**wrong)


def test_where_a_job_runs():
    """On this machine there is no EMR; in AWS a job must not run elsewhere than it is declared."""
    workers = EMRServerless(executors=3)
    on_emr = replace(visits_on_spark.pipeline, engine=Spark(features_by=("shop",), runs_on=workers))
    assert workers_of(visits_on_spark.pipeline, local=False, there=True) is None
    assert workers_of(on_emr, local=True, there=False) is None
    assert workers_of(on_emr, local=False, there=True) is workers
    with pytest.raises(DeclarationError, match="MLOPS_EMR_APPLICATION_ID"):
        workers_of(on_emr, local=False, there=False)
    require_image(on_emr, local=False)
    assert pool(on_emr) != pool(visits_on_spark.pipeline)
    assert {"spark_serverless"} == features(on_emr) & {"spark", "spark_serverless", "processing"}


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


def test_a_job_in_aws_needs_an_image_with_spark():
    """It would be paid for, to end with ModuleNotFoundError."""
    require_image(visits_on_spark.pipeline, local=True)
    with pytest.raises(DeclarationError, match=r"engine\.image_uri: is not set"):
        require_image(visits_on_spark.pipeline, local=False)
    engine = replace(visits_on_spark.pipeline.engine, image_uri="spark:1")
    require_image(replace(visits_on_spark.pipeline, engine=engine), local=False)


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(session.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(session.SparkMissing, match=r"requirements-spark\.lock"):
        session.require_spark()
    monkeypatch.setattr(session.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(session.SparkMissing, match="Java 17"):
        session.require_spark()


def test_the_sentence_of_a_worker_is_what_the_run_shows():
    """Not the hundred lines of Java around it."""
    text = (
        "[PYTHON_EXCEPTION] from the Python worker:\nTraceback (most recent call last):\n  File x\n"
        "mlops_assets.spark.parts.ContractBroken: visits.clean drops rows\n\n"
        "JVM stacktrace:\norg.apache.spark.SparkException: Job aborted"
    )
    assert message(RuntimeError(text)).endswith("ContractBroken: visits.clean drops rows")
    assert message(OSError(28, "full")) == "OSError(28, 'full')"


def test_a_job_without_a_disk_in_common_says_its_last_word_in_an_object(tmp_path, monkeypatch):
    """On EMR nobody reads a file that a driver leaves: the run would say "ExitCode: 1"."""
    objects = open_objects(f"dir:{tmp_path}")
    monkeypatch.setattr(job, "open_objects", lambda _: objects)
    uris = [f"s3://lake/{name}" for name in ("task", "answer", "said")]
    objects.write(uris[0], b"no task")
    with pytest.raises(ValueError, match="task"):
        job.main(*uris)
    assert b"Invalid JSON" in objects.read(uris[2])
    assert not objects.exists(uris[1])
