"""whylogs's profiles and drift scores, with the default thresholds; "DRIFT" counts."""

import driver
import whylogs as why
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores


def flagged(window, baseline):
    target, reference = (why.log(rows).view() for rows in (window, baseline))
    scores = calculate_drift_scores(target, reference, with_thresholds=True)
    return {name for name, score in scores.items() if score and score["drift_category"] == "DRIFT"}


driver.main(flagged)
