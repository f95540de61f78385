"""What a partition's bias record says: gates, drift, honest ignorance. No store, no endpoint."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.explaining.explanation_subject import Subject
from mlops_assets.assets.monitoring.fairness import bias_measuring as measuring
from mlops_assets.assets.monitoring.fairness import bias_page
from mlops_assets.assets.monitoring.fairness.bias import _checked
from mlops_assets.assets.monitoring.fairness.bias_judging import judge
from mlops_assets.assets.monitoring.fairness.records import BiasBaseline, BiasFacet, BiasRecord
from mlops_assets.pipeline import (
    DeclarationError,
    Evaluation,
    Facet,
    Label,
    MLPipeline,
    Monitors,
    Performance,
)
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage
from mlops_assets_tests import deliveries

ROWS = 4_000


def declared(**facet) -> MLPipeline:
    given = {"column": "depot", "disadvantaged": ("north",), **facet}
    return dataclasses.replace(
        deliveries.declare(),
        monitors=Monitors(facets=(Facet(**given),), performance=Performance(least_rows=300)),
    )


def answers(seed: int, *, rows: int = ROWS, against: float = 0.0, labels: bool = True):
    """Captured answers with labels, `against` added to the scores of the northern depot."""
    rng = np.random.default_rng(seed)
    north = rng.random(rows) < 0.4
    score = rng.normal(-0.5, 1.2, rows)
    late = (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(float)
    told = score + rng.normal(0, 0.4, rows) + against * north
    return pd.DataFrame(
        {
            "depot": np.where(north, "north", "south"),
            "weight": rng.uniform(0, 9, rows),
            "recent_late": rng.random(rows),
            "prediction": 1 / (1 + np.exp(-told)),
            "label": late if labels else np.full(rows, np.nan),
        }
    )


PACKAGE = ModelPackage(
    arn="arn:aws:sagemaker:eu-west-1:1:model-package/deliveries/1",
    group="deliveries",
    version=1,
    status="Approved",
    model_data_url="",
    image="",
    lineage={},
    metrics={},
    created=dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
    modified=dt.datetime(2024, 3, 1, tzinfo=dt.UTC),
    state="champion",
)


def baseline(pipeline: MLPipeline, held_out: pd.DataFrame) -> BiasBaseline:
    rows = held_out.rename(columns={"label": pipeline.label.column})
    (facet,) = pipeline.monitors.facets
    return BiasBaseline(
        positive_above=None,
        facets=(
            BiasFacet(
                column=facet.column,
                value=measuring.value_of(facet),
                group=None,
                rows={"training": len(rows), "held_out": len(rows)},
                training=measuring.labels_of(pipeline, facet, rows, None),
                partition=(),
                held_out=measuring.answers_of(pipeline, facet, rows, None),
                served=(),
            ),
        ),
    )


def judged(pipeline: MLPipeline, served: pd.DataFrame, *, others: int = 0) -> BiasRecord:
    held_out = answers(1)
    features = answers(2).rename(columns={"label": pipeline.label.column})
    found = Subject(PACKAGE, served, others)
    return judge(pipeline, "2024-03-04", found, features, baseline(pipeline, held_out))


def outcomes(record: BiasRecord) -> dict[str, tuple[bool, str]]:
    return {
        result.check_name: (result.passed, result.severity.value)
        for result in _checked({"2024-03-04": record})
    }


def test_answers_like_the_held_out_ones_are_healthy():
    """The negative control: nothing changed, gates are wide, nobody is told."""
    record = judged(declared(gates={"DPPL": (-0.1, 0.1), "DPL": (-0.1, 0.1)}), answers(3))
    assert record.status == "healthy", record.lines
    assert outcomes(record) == {"bias": (True, "WARN"), "bias_drift": (True, "WARN")}
    assert record.labelled == ROWS


def test_a_group_that_is_answered_worse_than_on_held_out_rows_warns():
    record = judged(declared(), answers(3, against=-1.0))
    assert record.status == "warning"
    assert {"DPPL", "RD"} <= set(record.facets[0].worse)
    assert outcomes(record)["bias_drift"] == (False, "WARN")
    assert outcomes(record)["bias"] == (True, "WARN"), "no gate was declared, none can fail"
    (line,) = record.lines
    assert "DPPL is 0." in line.figure


@pytest.mark.integration
def test_a_season_that_comes_back_is_usual():
    """Eight earlier partitions that were like this one say that it is nothing new."""
    pipeline = declared()
    held_out, features = answers(1), answers(2).rename(columns={"label": "late"})
    known = baseline(pipeline, held_out)
    records: list[BiasRecord] = []
    for seed in range(10, 19):
        restless = answers(seed, against=-1.0 if seed % 2 else 0.0)
        found = Subject(PACKAGE, restless, 0)
        records.append(judge(pipeline, f"{seed}", found, features, known, records))
    assert records[1].status == "warning"
    last = judge(
        pipeline, "20", Subject(PACKAGE, answers(3, against=-1.0), 0), features, known, records
    )
    assert last.status == "healthy", last.lines
    alone = judge(pipeline, "20", Subject(PACKAGE, answers(3, against=-1.0), 0), features, known)
    assert alone.status == "warning"


def test_a_gate_that_is_broken_fails():
    record = judged(declared(gates={"DPPL": (-0.05, 0.05)}), answers(3, against=-1.0))
    assert record.status == "failing"
    assert outcomes(record)["bias"] == (False, "ERROR")
    (broken,) = [line for line in record.lines if line.status == "failing"]
    assert broken.name == "depot DPPL, served answers"


def test_a_value_outside_whose_interval_reaches_inside_only_warns():
    """Clarify alarms when the interval and the allowed range have nothing in common."""
    record = judged(declared(gates={"DPPL": (0.02, 0.5)}), answers(3))
    assert {line.status for line in record.lines if "DPPL" in line.name} == {"warning"}
    assert outcomes(record)["bias"] == (False, "WARN")


def test_no_captured_answers_are_unknown_and_said():
    """Silence of the capture must never look like fairness."""
    record = judged(declared(gates={"DPPL": (-0.1, 0.1)}), answers(3).head(0))
    assert record.status == "unknown"
    assert "no answer was captured" in record.words
    assert outcomes(record) == {"bias": (False, "WARN"), "bias_drift": (False, "WARN")}
    assert record.facets[0].partition, "labels are measured all the same"


def test_too_few_answers_are_unknown_however_bad_they_look():
    record = judged(declared(), answers(3, rows=200, against=-3.0))
    assert record.status == "unknown"
    assert "200 captured answers are too few" in record.words
    assert record.facets[0].worse == {}


def test_before_the_labels_what_needs_none_is_judged():
    calm = judged(declared(), answers(3, labels=False))
    assert calm.status == "unknown"
    assert "what needs none has not drifted" in calm.words
    record = judged(declared(), answers(3, against=-1.0, labels=False))
    assert record.status == "warning"
    assert set(record.facets[0].worse) <= {"DPPL", "DI", "CDDPL"}
    figures = {figure.name: figure for figure in record.facets[0].served}
    assert figures["RD"].value is None


def test_few_labels_do_not_condemn():
    """Twenty early labels are those of an odd lot of rows; they are shown, and not judged."""
    served = answers(3)
    odd = (served["depot"] == "north") & (served["prediction"] < 0.5)
    served.loc[~(odd & (odd.cumsum() <= 20)), "label"] = np.nan
    record = judged(declared(), served)
    assert record.status == "unknown"
    assert record.labelled == 20


def test_without_a_model_only_the_labels_are_measured():
    pipeline = declared()
    features = answers(2).rename(columns={"label": pipeline.label.column})
    found = Subject(None, answers(3).head(0), 0)
    record = judge(pipeline, "2024-03-04", found, features, None)
    assert record.status == "unknown"
    assert "no model, or its held-out rows are gone" in record.words
    assert record.facets[0].partition


def test_answers_of_other_versions_are_left_out_and_counted():
    assert (
        "12 answers of other versions left out" in judged(declared(), answers(3), others=12).words
    )


def test_a_facet_that_callers_do_not_send_is_undefined_not_an_error():
    record = judged(declared(), answers(3).drop(columns="depot"))
    figures = {figure.name: figure for figure in record.facets[0].served}
    assert figures["DPPL"].value is None
    assert record.status == "unknown"


def test_a_regressions_numbers_are_positive_above_the_trainings_median():
    pipeline = dataclasses.replace(
        declared(column="weight", disadvantaged=(), above=5.0),
        label=Label(column="late", kind="regression", known_at="delivered_at"),
        baselines=(),
        evaluation=Evaluation(primary="rmse"),
    )
    rows = pd.DataFrame({"weight": [1.0, 1.0, 9.0, 9.0], "late": [1.0, 9.0, 6.0, 7.0]})
    rows = rows.assign(prediction=rows["late"], recent_late=0.5, depot="x")
    facet = pipeline.monitors.facets[0]
    figures = {f.name: f.value for f in measuring.labels_of(pipeline, facet, rows, 5.0)}
    assert figures["DPL"] == pytest.approx(0.5 - 1.0)
    figures = {f.name: f.value for f in measuring.answers_of(pipeline, facet, rows, 5.0)}
    assert figures["AD"] == 0.0


def test_an_unknown_metric_in_a_gate_is_refused_when_it_is_declared():
    """A misspelt gate would hold for ever."""
    with pytest.raises(DeclarationError, match="'DPPLL' is none of Clarify's metrics"):
        Facet(column="depot", disadvantaged=("north",), gates={"DPPLL": (0, 1)})


def test_the_page_shows_every_metric_with_its_baseline():
    shown = bias_page.page(judged(declared(), answers(3, against=-1.0)))
    table = shown["answers by depot"].value
    assert "|DPPL|Difference in Positive Proportions in Predicted Labels|" in table
    assert "**worse**" in table
    assert "held-out answers (4000 rows)" in table.replace(",", "")
    assert shown["plot of depot"].value.startswith("![depot: north](data:image/png")
