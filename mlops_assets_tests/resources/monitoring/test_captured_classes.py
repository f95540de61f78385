"""Captured answers of several classes: a column for each probability, and the most probable one."""

import json
from pathlib import Path

import pytest

from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.monitoring.capture_stage import read_partition
from mlops_assets.resources.monitoring.captured_files import refresh
from mlops_assets.resources.monitoring.tables import check_names
from mlops_assets_tests.resources.monitoring.captured_lines import ROW, capturing, exchange, put

DAY = "2024-03-01"
CLASSES = ("probability_0", "probability_1", "probability_2")


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return open_objects(f"dir:{tmp_path}")


def answered(*answers: object, inference_id: str = "e1") -> dict[str, object]:
    body = json.dumps({"instances": [ROW] * len(answers)}).encode()
    said = json.dumps({"predictions": list(answers)}).encode()
    return exchange(body, said, inference_id=inference_id)


def test_each_class_has_its_probability_and_the_prediction_is_the_most_probable(objects):
    put(objects, "a", answered([0.2, 0.1, 0.7], [0.5, 0.4, 0.1]))
    several = capturing(answers=CLASSES)
    refresh(objects, several)
    events = read_partition(objects, several, DAY).events
    assert events["prediction"].tolist() == [2.0, 0.0]
    assert events[list(CLASSES)].to_numpy().tolist() == [[0.2, 0.1, 0.7], [0.5, 0.4, 0.1]]
    assert events["weight"].notna().all()


@pytest.mark.parametrize(("answers", "said"), [((), [[0.2, 0.8]]), (CLASSES, [0.25]),
                                               (CLASSES, [[0.5, 0.5]])])  # fmt: skip
def test_an_answer_of_another_form_is_refused_alone(objects, answers, said):
    """A probability where classes are due, or of two classes where three are, is no answer."""
    put(objects, "a", answered(*said, inference_id="odd"))
    declared = capturing(answers=answers)
    refresh(objects, declared)
    found = read_partition(objects, declared, DAY)
    assert found.events.empty
    assert "1 rows, and an answer of" in found.refused["reason"].item()


def test_a_feature_may_not_be_called_like_a_probability():
    check_names({"probability_0": "float64"})
    with pytest.raises(ValueError, match="probability_0"):
        check_names({"probability_0": "float64"}, CLASSES)
