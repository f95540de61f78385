"""`mlops explain-prediction`: one captured answer, followed back to everything behind it."""

import json
import re

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.explaining.explanation_trace import trace
from mlops_assets.assets.monitoring.scoring.records import ProofRecord
from mlops_assets.cli import main
from mlops_assets.cli.explain_prediction import console, show
from mlops_assets_tests.assets.monitoring.answered_parcels import AS_OF, DAYS, MODEL, capture
from mlops_assets_tests.cli.answered import pipeline
from mlops_assets_tests.worlds import TestWorld

pytestmark = pytest.mark.integration
DAY = DAYS[3]
EVENT = f"{DAY}-123"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A registered model, and its answers of a day; one row was asked about twice, and one sent
    otherwise than it stands in ``features``."""
    world = TestWorld(tmp_path_factory.mktemp("explain"), pipeline)
    assert world.run("raw", "clean", "quarantine", "features", span=(DAYS[0], DAY)).success
    assert world.run(*MODEL, partition=AS_OF).success
    answers = capture(world, DAY)
    mine = answers.loc[answers["event_id"] == EVENT]
    earlier = mine.assign(
        inference_time=mine["inference_time"] - pd.Timedelta(hours=1), prediction=0.123
    )
    answers.loc[mine.index, "weight"] = 8.75
    both = pd.concat([earlier, answers], ignore_index=True)
    world.lake.write("deliveries.captures", DAY, both)
    yield world
    world.stop()


@pytest.fixture
def mlops(world, monkeypatch, capsys):
    """The command in the test's world, in this process: the other way each call takes seconds."""
    home = world.home / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, value in {
        "MLOPS_HOME": str(world.home),
        "MLOPS_PIPELINES": "mlops_assets_tests.cli.answered",
        "DAGSTER_HOME": str(home),
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["mlops", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def found(world):
    return trace(
        pipeline,
        EVENT,
        lake=world.lake,
        store=world.resources["store"],
        client=world.client,
        instance=world.instance,
    )


def test_the_model_its_data_and_its_run_are_named(world, found):
    assert found.model is not None
    assert found.model.version == 1
    assert found.model.as_of == AS_OF
    assert found.model.status == "Approved"
    assert found.model.training_job in world.training_jobs()
    assert found.model.run_id in {run.run_id for run in world.instance.get_runs()}
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", found.model.commit)
    assert found.trained is not None
    assert found.trained.partitions == DAYS[:2]
    assert found.trained.features_snapshot == str(
        world.lake.last_change("deliveries.features", [*DAYS[:3]])
    )
    tables = {table.table: table for table in found.tables}
    assert tables["deliveries.raw"].snapshot == str(
        world.lake.partition_snapshot("deliveries.raw", DAY)
    )
    assert tables["deliveries.features"].run_id in {r.run_id for r in world.instance.get_runs()}
    assert found.untold == ()


def test_the_row_and_the_truth_are_those_of_the_event(world, found):
    clean = world.lake.read("deliveries.clean", [DAY]).set_index("parcel").loc[EVENT]
    assert found.label is not None
    assert found.label.value == clean["late"]
    assert found.label.source == "source"
    assert found.raw is not None
    (row,) = found.raw.rows
    assert row["parcel"] == EVENT
    assert row["weight"] == str(clean["weight"])
    assert (found.raw.version, found.raw.version_of) == (f"1-{DAY}", "recorded")
    assert found.raw.total == 400


def test_the_effects_add_up_to_what_the_artifact_answers(found):
    assert found.why is not None
    points = sum(reason.points for reason in found.why.reasons)
    assert found.why.base_answer + points == pytest.approx(found.why.answered_again, abs=1e-5)
    assert found.why.reasons[0].feature == "weight"
    assert found.why.reasons[0].points > 0, "a heavy parcel comes late"


def test_the_last_answer_before_the_event_is_explained(found):
    assert len(found.answers) == 2
    assert found.answers[0].prediction == 0.123
    assert found.prediction != 0.123


def test_what_was_sent_is_held_against_what_is_stored(world, found):
    stored = world.lake.read("deliveries.features", [DAY]).set_index("parcel").loc[EVENT]
    assert found.sent["weight"] == "8.75"
    assert found.offline == {"weight": str(stored["weight"])}


def test_personal_values_are_shown_nowhere(found):
    """The command's output goes into tickets and mails."""
    assert found.sent["depot"] == "«redacted»"
    text = found.model_dump_json()
    assert "north" not in text
    assert "south" not in text


def test_a_person_can_read_it(found, capsys, monkeypatch):
    monkeypatch.setattr(console, "_width", 110)
    show(found, label="late", binary=True)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 110
    for words in ("what came true", "weight", "(offline: ", "asked", "2 times", "Approved"):
        assert words in said
    assert re.search(r"weight +8\.75 .* \+\d+\.\d +█+ +\+\d\.\d{4}", said)
    assert found.model is not None
    assert found.model.commit in said
    assert found.tables[0].snapshot in said


def test_a_class_is_told_by_its_name(found, capsys, monkeypatch):
    """A person read "2.0000" for the class that was answered."""
    assert found.label is not None
    told = found.model_copy(
        update={"prediction": 2.0, "label": found.label.model_copy(update={"value": 0.0})}
    )
    show(told, label="kind", binary=False, classes=("early", "on time", "late"))
    said = capsys.readouterr().out
    assert re.search(r"kind +late", said)
    assert re.search(r"what came true +early, known since", said)
    # Whatever is no class's number is shown as it is.
    show(told.model_copy(update={"prediction": 7.5}), label="kind", binary=False, classes=("a",))
    assert re.search(r"kind +7\.5000", capsys.readouterr().out)


def test_the_command_answers_in_json_and_leaves_its_proof(mlops, world):
    code, said, _ = mlops("explain-prediction", "deliveries", EVENT, "--json")
    assert code == 0
    told = json.loads(said)
    assert told["event_id"] == EVENT
    assert told["raw"]["version_of"] == "now", "this home's runs are not those of the test"
    proof = world.resources["store"].load(
        ProofRecord, "deliveries", "proofs", "explained-prediction"
    )
    assert proof.passed
    assert proof.subject == told["model"]["package_arn"]


def test_an_unknown_event_is_one_line_with_the_partitions_searched(mlops):
    code, _, complaint = mlops("explain-prediction", "deliveries", "nobody")
    assert code == 1
    assert complaint.startswith(
        f"mlops: no captured answer of deliveries is of event 'nobody'. Searched: {DAY}."
    )


def test_a_model_that_the_registry_lost_leaves_the_rest_to_be_told(world):
    answers = world.lake.read("deliveries.captures", [DAY]).head(3).assign(version=77)
    world.lake.write("deliveries.captures", DAYS[0], answers)
    lost = trace(
        pipeline,
        str(answers["event_id"].iloc[2]),
        lake=world.lake,
        store=world.resources["store"],
        client=world.client,
        instance=world.instance,
        partition=DAYS[0],
    )
    assert lost.model is None
    assert lost.why is None
    assert any("version 77 is not in the registry" in words for words in lost.untold)
