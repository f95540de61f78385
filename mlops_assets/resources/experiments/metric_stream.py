"""The metrics among a job's log lines, by the declared regular expressions.

Here: from lines to points with a step each. Not here: reading the log, or what follows from them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from mlops_assets.resources.experiments.run_log import Point

# What SageMaker looks at of a line; a longer one is no line of metrics.
_LINE = 4_096


class MetricStream:
    """Finds points; a metric's step counts its values, from 0.

    >>> stream = MetricStream({"loss": r"loss=([0-9.]+|nan)"})
    >>> stream.feed([(1000, "epoch 1 loss=0.5"), (2000, "done"), (3000, "loss=nan")])
    [Point(metric='loss', value=0.5, at_ms=1000, step=0), \
Point(metric='loss', value=nan, at_ms=3000, step=1)]
    """

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._patterns = {name: re.compile(regex) for name, regex in definitions.items()}
        self._steps: Counter[str] = Counter()

    def feed(self, lines: Iterable[tuple[int, str]]) -> list[Point]:
        """The points in the next lines, each (milliseconds since 1970, text)."""
        found = []
        for at_ms, text in lines:
            for name, pattern in self._patterns.items():
                for match in pattern.finditer(text[:_LINE]):
                    try:
                        value = float(match[1])
                    except (ValueError, TypeError):
                        continue  # the expression takes more than numbers in
                    step = self._steps[name]
                    found.append(Point(metric=name, value=value, at_ms=at_ms, step=step))
                    self._steps[name] += 1
        return found
