"""What a job runs: ``program.py TASK ANSWER``, each a path or an s3:// URI; it travels alone."""

import sys

from mlops_assets.spark.job import main

main(sys.argv[1], sys.argv[2])
