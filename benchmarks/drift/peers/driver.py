"""What every peer's script does: read pairs of windows, compare each, tell what was flagged.

    PYTHON <peer>.py FOLDER NAME...

FOLDER holds <name>.window.parquet and <name>.baseline.parquet; a line of JSON a name is printed,
with the flagged columns and the CPU seconds of building both sides and comparing. Runs in the
peer's own environment, so it needs nothing but pandas.
"""

import contextlib
import io
import json
import resource
import sys
import warnings
from pathlib import Path

import pandas as pd

warnings.filterwarnings("ignore")


def cpu() -> float:
    """CPU seconds of this process, its threads and its ended children."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in spent)


def main(flagged) -> None:
    """Compare by ``flagged(window, baseline) -> names of columns``."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        window, baseline = (
            pd.read_parquet(folder / f"{name}.{side}.parquet") for side in ("window", "baseline")
        )
        told = {"name": name}
        start = cpu()
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                told["flagged"] = sorted(flagged(window, baseline))
        except Exception as error:  # what a peer does not survive is a result, too
            told["error"] = f"{type(error).__name__}: {error}"[:160]
        told["cpu"] = cpu() - start
        print(json.dumps(told), flush=True)
