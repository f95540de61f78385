"""The estimate before labels: NannyML's figures, and what it can and cannot see."""

import pytest

from mlops_assets.ml.performance import verdict
from mlops_assets.ml.performance.calibration import Calibrator, fit
from mlops_assets.ml.performance.estimate import ASSUMES, confusion, estimate
from mlops_assets.ml.performance.intervals import measure, metrics_of
from mlops_assets_tests.ml.performance.made_answers import answers, nannyml_fixture

# What nannyml 0.13.1 gave (scikit-learn 1.9.1, pandas 3.1.1): CBPE fitted on
# nannyml_fixture(5000, 1, 0.0), estimated on nannyml_fixture(3000, 2, 0.4) as one chunk.
NANNYML = {
    "auc": 0.7387671233694054,
    "accuracy": 0.6960905830027577,
    "pr_auc": 0.6239010027010482,
}
NANNYML_CONFUSION = {
    "true_positive": 585.4422081535441,
    "true_negative": 1502.829540854729,
    "false_positive": 400.5577918464558,
    "false_negative": 511.1704591452709,
}


@pytest.fixture(scope="module")
def calibrator() -> Calibrator:
    return fit(*nannyml_fixture(5000, 1, 0.0))


def test_the_estimate_is_nannymls(calibrator):
    _, p = nannyml_fixture(3000, 2, 0.4)
    found = estimate(p, calibrator(p))
    for name, value in NANNYML.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
    counts = confusion(p, calibrator(p))
    assert counts == pytest.approx(NANNYML_CONFUSION, abs=1e-6)
    assert found["error_rate"] == pytest.approx(1 - NANNYML["accuracy"], abs=1e-9)


@pytest.mark.parametrize("mix", [0.0, 0.8])
def test_a_change_of_the_mix_is_followed(mix):
    """Covariate shift is what the estimate is for; without a change it is right, too."""
    calibrated = fit(*answers(20_000, 1))
    y, p = answers(20_000, 2, mix=mix)
    found, real = estimate(p, calibrated(p)), measure(y, p, metrics_of("binary"), kind="binary")
    for name in ("auc", "log_loss", "accuracy", "base_rate", "brier"):
        assert found[name] == pytest.approx(real[name].value, abs=0.015), name


def test_a_change_of_the_concept_is_not_seen():
    """The reason for the words: the rows look alike, so the estimate says that nothing changed."""
    calibrated = fit(*answers(20_000, 1))
    y, p = answers(20_000, 2, concept=1.5)
    found, real = estimate(p, calibrated(p)), measure(y, p, metrics_of("binary"), kind="binary")
    quiet = estimate(answers(20_000, 3)[1], calibrated(answers(20_000, 3)[1]))
    assert found["log_loss"] == pytest.approx(quiet["log_loss"], abs=0.01)
    assert real["log_loss"].value > found["log_loss"] + 0.15


def test_estimate_lines_say_what_they_assume():
    held_out = measure(*answers(2000, 1), metrics_of("binary"), kind="binary")
    lines = verdict.estimated(
        {"log_loss": held_out["log_loss"].value + 0.1, "auc": 0.9},
        bounds=[verdict.Bound("auc", at_least=0.7)],
        held_out=held_out,
        primary="log_loss",
        tolerance=0.02,
    )
    assert [line.status for line in lines] == ["healthy", "warning"]
    assert all(ASSUMES in line.figure for line in lines)


def test_an_estimate_never_fails_nor_pages():
    """It is a guess: the worst that it can do is warn."""
    lines = verdict.estimated(
        {"auc": 0.1},
        bounds=[verdict.Bound("auc", at_least=0.7)],
        held_out={},
        primary="log_loss",
        tolerance=0.02,
    )
    assert [line.status for line in lines] == ["warning"]
