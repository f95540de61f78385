"""What is made of an audit's figures: the verdicts on features, slices and stability.

Here: when each holds, and in which words. Not here: measuring (`audit_model`), what data is used
for (`audit_use`).
"""

from collections.abc import Mapping

from mlops_assets.assets.monitoring.auditing.audit_model import Audit
from mlops_assets.assets.monitoring.auditing.evidence import Evidence
from mlops_assets.checks.results import Verdict
from mlops_assets.ml.pooling import Estimate
from mlops_assets.pipeline import MLPipeline

_MOSTLY = 0.5
_NAMED = 10


def features_help(evidence: Evidence) -> Verdict:
    """Each feature, over all partitions audited, with its whole interval above 0.

    Every one has to be shown, so that there is nothing to correct for their number: of a feature
    of noise one in forty passes.
    """
    useless = [name for name, worth in evidence.features.items() if worth.low <= 0]
    whole = len(evidence.features)
    if useless:
        return Verdict(
            False,
            f"{len(useless)} of {whole} features are not shown to help ({evidence.span}): "
            f"{', '.join(useless)}. Take them out, or let more partitions be audited",
        )
    least, worth = list(evidence.features.items())[-1]
    return Verdict(
        True,
        f"each of {whole} features helps ({evidence.span}); the least is {least}, "
        f"{_said(worth, digits=5)} {evidence.newest.metric}",
    )


def feature_cost(found: Audit, evidence: Evidence) -> Verdict:
    """No feature that is mostly missing without being of help."""
    words = f"one row is answered in {found.one_row_ms:.2g} ms"
    costly = [
        name
        for name, share in found.missing.items()
        if share > _MOSTLY and evidence.features[name].low <= 0
    ]
    if costly:
        return Verdict(False, f"mostly missing and no help: {', '.join(costly)}; {words}")
    worst = max(found.missing, key=lambda name: found.missing[name])
    return Verdict(True, f"most often missing: {worst} ({found.missing[worst]:.0%}); {words}")


def slices(pipeline: MLPipeline, evidence: Evidence) -> Verdict:
    """Each slice is shown to be better than its own mean over all partitions audited, and none is
    shown to be worse in the newest."""
    if not pipeline.evaluation.slices:
        return Verdict(False, "no slices are declared: name columns in evaluation.slices")
    if not evidence.slices:
        return Verdict(False, f"no slice has {pipeline.evaluation.slice_rows:,} held-out rows")
    newest = evidence.newest_slices
    worse = {name: each for name, each in newest.items() if each.below_zero_of(len(newest))}
    if worse:
        return Verdict(
            False, f"worse than their own mean in {evidence.newest.partition}: {_named(worse)}"
        )
    weak = {name: gain for name, gain in evidence.slices.items() if gain.low <= 0}
    if weak:
        return Verdict(
            False, f"not shown to be better than their own mean ({evidence.span}): {_named(weak)}"
        )
    least = min(evidence.slices, key=lambda name: evidence.slices[name].low)
    return Verdict(
        True,
        f"{len(evidence.slices)} slices ({evidence.span}); the least gain is "
        f"{_said(evidence.slices[least])} at {least}",
    )


def numerically_stable(found: Audit) -> Verdict:
    """No extreme input without a finite answer or a refusal."""
    if found.unstable:
        return Verdict(False, f"no finite answer to {', '.join(found.unstable[:_NAMED])}")
    return Verdict(True, f"{found.edge_cases:,} extreme inputs, all answered or refused")


def _named(those: Mapping[str, Estimate]) -> str:
    return ", ".join(f"{name} ({_said(each)}, {each.rows:,} rows)" for name, each in those.items())


def _said(estimate: Estimate, digits: int = 4) -> str:
    figures = (estimate.value, estimate.low, estimate.high)
    value, low, high = (f"{figure:+.{digits}f}" for figure in figures)
    return f"{value} [{low}, {high}]"
