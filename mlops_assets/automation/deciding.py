"""Whether to retrain: from evidence, declaration and what was decided before to one decision. Pure.

The order: does the trigger hold, was it decided on already, can training help at all (a *hold* says
why not), may it start now (a *wait* comes back to it). Here: those rules. Not here: gathering the
evidence (`evidence`), nor starting anything (`retraining`).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.monitors import Retraining, Trigger

DAY = dt.timedelta(days=1)

Action = Literal["retrain", "hold", "wait"]


@dataclass(frozen=True)
class Gain:
    """What the as-of back-test expects of a fresh model: 95 % interval of the improvement."""

    value: float
    low: float
    high: float
    pairs: int

    @property
    def none(self) -> bool:
        """Whether the back-test shows that there is nothing to gain; one pair shows nothing."""
        return self.pairs >= 2 and self.high <= 0

    def __str__(self) -> str:
        return f"{self.value:+.4g} ({self.low:+.4g} to {self.high:+.4g}, {self.pairs} pairs)"


@dataclass(frozen=True)
class Evidence:
    """What a sensor saw.

    Args:
        partition: the partition that raised the question.
        holds: whether that calls for a training; ``words`` says what was seen.
        as_of: the partition to train as of: the newest with labelled features; None: there is none.
        seen: what identifies the evidence (digests, versions): the same is decided on once.
        facts: figures, as a person reads them.
        broken: what tells of broken data, in words.
        learned: why there is nothing new to learn from; empty: there is.
        gain: None where no back-test tells.
    """

    trigger: Trigger
    partition: str
    holds: bool
    words: str
    as_of: str | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[str, ...] = ()
    learned: str = ""
    gain: Gain | None = None

    @property
    def digest(self) -> str:
        """The same for the same evidence, whenever it is seen."""
        content = [self.trigger, self.partition, self.as_of, dict(self.seen)]
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def decide(
    pipeline: str,
    evidence: Evidence,
    policy: Retraining,
    history: Sequence[Decision],
    *,
    running: Sequence[str],
    now: dt.datetime,
) -> Decision | None:
    """What to do about the evidence; None: nothing that is not decided already.

    Args:
        history: of the pipeline, oldest first; the trainings that it asked for count as started.
        running: ids of the runs that are training a model of the pipeline.
    """
    if not evidence.holds:
        return None
    before = [d for d in history if d.evidence.get("digest") == evidence.digest]
    if any(d.action == "retrain" for d in before):
        return None
    reason = _cannot_help(evidence) if policy.worth_it else _cannot(evidence)
    if reason:
        decision = _decision(pipeline, evidence, "hold", reason, now)
    elif reason := _not_now(policy, history, running, now):
        decision = _decision(pipeline, evidence, "wait", reason, now)
    else:
        decision = _decision(pipeline, evidence, "retrain", evidence.words, now)
    # The same answer to the same evidence is said once.
    said = before[-1] if before else None
    if said is not None and (said.action, _gist(said)) == (decision.action, _gist(decision)):
        return None
    return decision


def _cannot(evidence: Evidence) -> str:
    return "" if evidence.as_of else "no partition has labelled features to train on yet"


def _cannot_help(evidence: Evidence) -> str:
    """Why training cannot help; empty where it may."""
    if reason := _cannot(evidence):
        return reason
    if evidence.broken:
        return (
            f"retraining cannot help broken data: {'; '.join(evidence.broken[:3])}. "
            "Mend the source, then materialize the partition again"
        )
    if evidence.learned:
        return evidence.learned
    if evidence.gain is not None and evidence.gain.none and evidence.trigger != "code":
        return f"the back-test shows no gain from a fresher model: {evidence.gain}"
    return ""


def _not_now(
    policy: Retraining, history: Sequence[Decision], running: Sequence[str], now: dt.datetime
) -> str:
    """Why no training may start now; empty where one may."""
    if running:
        return f"a model of the pipeline is being trained (run {running[0]})"
    started = [dt.datetime.fromisoformat(d.at) for d in history if d.action == "retrain"]
    if started and now - started[-1] < policy.pause:
        return f"the last training started at {started[-1]:%H:%M:%S}; the pause is {policy.pause}"
    today = [at for at in started if now - at < DAY]
    if len(today) >= policy.per_day:
        return f"{len(today)} trainings in 24 hours, and the budget is {policy.per_day}"
    return ""


def _decision(
    pipeline: str, evidence: Evidence, action: Action, words: str, now: dt.datetime
) -> Decision:
    about = evidence.as_of or evidence.partition
    return Decision(
        at=now.isoformat(timespec="milliseconds"),
        pipeline=pipeline,
        trigger=evidence.trigger,
        partition=about,
        action=action,
        words=words,
        evidence={
            **evidence.facts,
            "seen": evidence.words,
            "raised by": evidence.partition,
            **({"expected gain": str(evidence.gain)} if evidence.gain else {}),
            "digest": evidence.digest,
        },
        run_key=f"{pipeline}:{evidence.trigger}:{evidence.digest}" if action == "retrain" else None,
    )


def _gist(decision: Decision) -> str:
    """A decision's words without their figures: how long one still waits is no news."""
    return "".join(c for c in decision.words if not c.isdigit())
