"""NannyML's univariate drift calculator with its defaults: ten chunks, any chunk's alert counts."""

import os

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"  # it phones home otherwise

import driver
import nannyml


def flagged(window, baseline):
    names = list(baseline.columns)
    calculator = nannyml.UnivariateDriftCalculator(column_names=names).fit(baseline)
    results = calculator.calculate(window).filter(period="analysis").to_df()
    alerts = results.loc[:, [c for c in results.columns if c[-1] == "alert"]]
    return {column[0] for column in alerts if alerts[column].any()}


driver.main(flagged)
