"""This project's profiles and default policy, run as the peers are: alone in a process."""

import driver

from mlops_assets.ml.drift.compare import compare
from mlops_assets.ml.profiles.profile import fit_grids, profile


def flagged(window, baseline):
    grids = fit_grids(baseline)
    return compare(profile(window, grids), profile(baseline, grids)).flagged


driver.main(flagged)
