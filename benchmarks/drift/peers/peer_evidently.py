"""Evidently's data drift preset, with its defaults."""

import driver
from evidently import Report
from evidently.presets import DataDriftPreset


def flagged(window, baseline):
    result = Report([DataDriftPreset()], include_tests=True).run(window, baseline).dict()
    names = set()
    for test in result["tests"]:
        parameters = test["metric_config"]["params"]
        if "column" in parameters and str(test["status"]).endswith("FAIL"):
            names.add(parameters["column"])
    return names


driver.main(flagged)
