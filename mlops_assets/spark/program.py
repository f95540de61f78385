"""What a job runs: ``program.py TASK ANSWER``, both paths; this file travels alone."""

import sys
from pathlib import Path

from mlops_assets.spark.job import main

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
