"""What one writes by hand: ks_2samp and chi2_contingency a column, at p < .05."""

import driver
import pandas as pd
from scipy import stats


def flagged(window, baseline):
    names = set()
    for name in baseline:
        here, there = window[name].dropna(), baseline[name].dropna()
        if pd.api.types.is_numeric_dtype(baseline[name]):
            p = stats.ks_2samp(here, there).pvalue
        else:
            counts = pd.concat([here.value_counts(), there.value_counts()], axis=1).fillna(0)
            p = stats.chi2_contingency(counts.to_numpy().T).pvalue
        if p < 0.05:
            names.add(name)
    return names


driver.main(flagged)
