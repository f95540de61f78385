"""The rules that watch a training of the flights: silent on a sound one, and each has its case."""

import re

from mlops_assets.ml.training_rules.watch import Watch
from mlops_assets.pipelines.flight_delays import pipeline

# As of April 2013, rounds 1, 25, 50 … 250.
SOUND = """
[1] train-logloss:0.54045 holdout-logloss:0.59949
[25] train-logloss:0.47113 holdout-logloss:0.52711
[50] train-logloss:0.44828 holdout-logloss:0.50927
[75] train-logloss:0.43530 holdout-logloss:0.50163
[100] train-logloss:0.42680 holdout-logloss:0.49901
[125] train-logloss:0.41958 holdout-logloss:0.49733
[150] train-logloss:0.41310 holdout-logloss:0.49596
[175] train-logloss:0.40795 holdout-logloss:0.49546
[200] train-logloss:0.40315 holdout-logloss:0.49490
[225] train-logloss:0.39922 holdout-logloss:0.49441
[250] train-logloss:0.39531 holdout-logloss:0.49471
"""


def found(log: str) -> list[str]:
    """The names of the rules that have something to say to a job's log."""
    watch = Watch(pipeline.training.stream_rules)
    for line in log.strip().splitlines():
        told = [(n, re.search(p, line)) for n, p in pipeline.training.metrics.items()]
        watch.feed((name, float(match[1])) for name, match in told if match)
    return [finding.rule for finding in watch.findings]


def test_a_sound_training_is_silent():
    """The control: an alarm at every training is none."""
    assert found(SOUND) == []


def test_what_goes_wrong_is_told():
    """Warnings only: no rule stops the training, for the gates judge what came of it."""
    rising = "".join(
        f"\n[{275 + 25 * n}] train-logloss:{0.39 - n / 99:.5f} holdout-logloss:{0.52 + n / 99:.5f}"
        for n in range(4)
    )
    assert found(SOUND + rising.lstrip()) == ["overfitting(holdout:logloss)"]
    stuck = "\n".join(["[1] train-logloss:0.54045 holdout-logloss:0.59949"] * 6)
    assert found(stuck) == ["loss_not_decreasing(train:logloss)"]
    assert found(SOUND + "[275] train-logloss:99.0") == ["exploding(train:logloss)"]
    assert not any(rule.stop for rule in pipeline.training.stream_rules)
