"""A label of several classes: what its declaration must say, and what follows from it."""

import dataclasses

import pytest

from mlops_assets.pipeline import DeclarationError, Label, Monitors
from mlops_assets_tests import parcels_classes


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("multiclass", ()),
        ("multiclass", ("a",)),
        ("multiclass", ("a", "a")),
        ("binary", ("a", "b")),
    ],
)
def test_classes_are_named_where_there_are_several_and_nowhere_else(kind, classes):
    with pytest.raises(DeclarationError, match=r"label\.classes: .* are no classes of a"):
        Label(column="y", kind=kind, classes=classes)


def test_each_class_has_a_column_for_its_probability():
    assert parcels_classes.declare().label.answers == (
        "probability_0", "probability_1", "probability_2",
    )  # fmt: skip
    assert Label(column="y", kind="binary").answers == ()


@pytest.mark.parametrize(
    ("positive", "message"),
    [((), "is empty, and bias metrics ask"), (("lost",), r"\['lost'\] are no classes of outcome")],
)
def test_facets_ask_which_classes_are_positive(positive, message):
    """Bias metrics know two outcomes; guessing one would measure another bias than was meant."""
    pipeline = parcels_classes.declare()
    watched = dataclasses.replace(pipeline.monitors, positive_classes=positive)
    with pytest.raises(DeclarationError, match=message):
        dataclasses.replace(pipeline, monitors=watched)
    assert dataclasses.replace(pipeline, monitors=Monitors()), "without facets nothing is asked"
