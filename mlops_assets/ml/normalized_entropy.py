"""Log-loss on a scale that does not depend on how often the event happens.

Belongs here: that scale. Does not belong here: log-loss itself (`metrics`).
"""

from __future__ import annotations

import math


def entropy(base_rate: float) -> float:
    """Log-loss, in nats, of answering the base rate to every row; NaN where only one label is.

    A log-loss divided by it is the normalised entropy: 1 is no better than the base rate, 0 is
    perfect, and months of storms compare with calm ones (He et al., "Practical Lessons from
    Predicting Clicks on Ads at Facebook", ADKDD 2014, section 2.1).

    >>> round(entropy(0.5), 4), round(entropy(0.1), 4)
    (0.6931, 0.3251)
    """
    if not 0 < base_rate < 1:
        return float("nan")
    return -base_rate * math.log(base_rate) - (1 - base_rate) * math.log1p(-base_rate)
