"""Whether Spark can run here: pyspark in this environment, and Java 17 or later."""

import importlib.util
import shutil

import pytest

MISSING = [
    what
    for what, there in (
        ("pyspark (make test-spark)", importlib.util.find_spec("pyspark") is not None),
        ("Java 17 (on Debian: apt-get install openjdk-17-jre-headless)", shutil.which("java")),
    )
    if not there
]
needs_spark = pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")
