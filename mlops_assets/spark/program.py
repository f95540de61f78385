"""What a job runs: ``program.py TASK ANSWER [MESSAGE]``, paths or URIs; this file travels alone."""

import sys

from mlops_assets.spark.job import main

if __name__ == "__main__":
    main(*sys.argv[1:])
