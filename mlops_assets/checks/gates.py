"""The gates between a trained model and the registry.

Here: how held-out metrics become verdicts. Not here: the bounds (each pipeline declares its own),
the metrics and the interval of a difference (`ml`).
"""

from collections.abc import Mapping

import numpy as np

from mlops_assets.checks.results import Verdict
from mlops_assets.ml.compare import challenger_wins, paired_bootstrap
from mlops_assets.ml.metrics import LOWER_IS_BETTER
from mlops_assets.pipeline import Evaluation

_REPEATS = 200


def absolute(evaluation: Evaluation, measured: Mapping[str, float]) -> Verdict:
    """Every declared bound is kept."""
    broken = [gate for gate in evaluation.gates if not gate.holds(measured[gate.metric])]
    shown = broken or evaluation.gates
    described = ", ".join(f"{g.metric} {measured[g.metric]:.4f} (needs {g})" for g in shown)
    return Verdict(not broken, described or "no bounds declared")


def leakage(evaluation: Evaluation, measured: Mapping[str, float]) -> Verdict:
    """The ceiling of what is believable is kept; above it a feature knows the answer."""
    ceiling = evaluation.leakage_ceiling
    if ceiling is None:
        return Verdict(True, "no ceiling declared")
    value = measured[ceiling.metric]
    if ceiling.holds(value):
        return Verdict(True, f"{ceiling.metric} {value:.4f} is believable (needs {ceiling})")
    return Verdict(
        False,
        f"{ceiling.metric} {value:.4f} is too good to be true (needs {ceiling}). Look for a "
        "feature that knows the label",
    )


def against_baselines(
    evaluation: Evaluation, measured: Mapping[str, Mapping[str, float]]
) -> Verdict:
    """The model beats every simple model on the primary metric."""
    metric = evaluation.primary
    model = measured["model"][metric]
    simple = {name: values[metric] for name, values in measured.items() if name != "model"}
    better = [name for name, value in simple.items() if not _better(metric, model, value)]
    values = ", ".join(f"{name} {value:.4f}" for name, value in simple.items())
    if better:
        return Verdict(
            False, f"{metric} {model:.4f} does not beat {', '.join(better)} ({values}): use that"
        )
    return Verdict(True, f"{metric} {model:.4f} against {values or 'no baselines'}")


def against_champion(
    evaluation: Evaluation,
    truth: np.ndarray,
    challenger: np.ndarray,
    champion: np.ndarray,
    *,
    blocks: np.ndarray | None = None,
) -> Verdict:
    """The challenger wins on the same held-out rows by more than chance explains.

    Source: paired bootstrap of the primary metric's difference, 95 % interval; a tie keeps the
    champion, since replacing a model is a risk that must buy something.

    Args:
        blocks: the block of time of each row, where ``evaluation.block`` declares them.
    """
    metric = evaluation.primary
    difference = paired_bootstrap(
        metric, truth, challenger, champion, repeats=_REPEATS, blocks=blocks
    )
    described = (
        f"{metric} {difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] "
        "against the champion on the same rows"
    )
    if challenger_wins(difference, metric):
        return Verdict(True, described)
    return Verdict(False, f"{described}: no clear win, the champion stays")


def _better(metric: str, value: float, other: float) -> bool:
    return value < other if metric in LOWER_IS_BETTER else value > other
