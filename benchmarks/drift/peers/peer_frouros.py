"""frouros's batch detectors a column, KS or chi², at p < .05."""

import driver
import pandas as pd
from frouros.detectors.data_drift import ChiSquareTest, KSTest


def flagged(window, baseline):
    names = set()
    for name in baseline:
        numeric = pd.api.types.is_numeric_dtype(baseline[name])
        detector = KSTest() if numeric else ChiSquareTest()
        there, here = (side[name].dropna().to_numpy() for side in (baseline, window))
        detector.fit(X=there)
        if detector.compare(X=here)[0].p_value < 0.05:
            names.add(name)
    return names


driver.main(flagged)
