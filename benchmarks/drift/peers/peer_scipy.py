"""What one writes by hand for the same questions: distribution, shift, missing values, categories;
ks_2samp, mannwhitneyu and chi2_contingency a column, each at p < .05."""

import driver
import numpy as np
import pandas as pd
from scipy import stats


def flagged(window, baseline):
    return {name for name in baseline if min(_p_values(window[name], baseline[name])) < 0.05}


def _p_values(window, baseline):
    here, there = window.dropna(), baseline.dropna()
    missing = np.array([[len(s) - len(kept), len(kept)]
                        for s, kept in ((window, here), (baseline, there))])  # fmt: skip
    if missing[:, 0].any():
        yield stats.chi2_contingency(missing).pvalue
    if pd.api.types.is_numeric_dtype(baseline):
        yield stats.ks_2samp(here, there).pvalue
        yield stats.mannwhitneyu(here, there).pvalue
    else:
        counts = pd.concat([here.value_counts(), there.value_counts()], axis=1).fillna(0)
        yield stats.chi2_contingency(counts.to_numpy().T).pvalue


driver.main(flagged)
