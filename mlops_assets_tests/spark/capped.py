"""One way of cleaning a partition, in a process of its own that may have so much more memory.

``capped.py pandas|tasks CATALOG MIB``: all rows at once as the pandas path does, or chunk by chunk
as the tasks of a Spark job do, with their pages in files as Spark keeps them. Says "out of memory",
or the digest of what it made.
"""

import json
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from mlops_assets.checks.rows import accepted_rows, check_rows
from mlops_assets.checks.rows_parse import from_text
from mlops_assets.pipeline import Spark
from mlops_assets.resources.lake.resource import open_lake
from mlops_assets.spark.clean_part import CleanPart
from mlops_assets.spark.exchange import Record
from mlops_assets.spark.parts import groups_of, whole_schema
from mlops_assets.spark.task import Task
from mlops_assets.spark.writing import Writer
from mlops_assets_tests.spark import visits_on_spark as visits

DAY = visits.DAYS[1]
pipeline = replace(visits.pipeline, engine=Spark(features_by=("shop",), chunk_rows=20_000))


def at_once(lake):
    raw = lake.read("visits.raw", [DAY])
    read = from_text(raw, pipeline.raw_schema.to_schema())
    good = pipeline.clean(
        accepted_rows(read, check_rows(read, pipeline.raw_schema), pipeline.raw_schema)
    )
    return lake.write("visits.clean", DAY, good).digest


def by_tasks(lake, catalog, folder):
    task = Task(
        station="clean",
        module="mlops_assets_tests.spark.capped",
        pipeline="visits",
        code_version="1",
        catalog=catalog,
        inputs=(),
    )
    layout = lake.layout("visits.raw", [DAY])
    part = CleanPart(task, layout, {})
    facts, pages = [], []
    for number in range(len(groups_of(layout))):
        for record in part.made(number):
            if record.kind == "facts":
                facts.append(json.loads(record.blob))
            elif record.kind == "clean":
                pages.append(folder / f"{record.major}")
                pages[-1].write_bytes(record.blob)
    schema, dtypes = whole_schema("visits.clean", facts)
    rows = sum(fact["made"] for fact in facts)
    packed = schema.serialize().to_pybytes()
    writer = Writer(task, "visits.clean", DAY, packed, dtypes, rows)
    (said,) = writer(Record("clean", 0, 0, page.read_bytes()) for page in pages)
    return json.loads(said.blob)["staged"]["digest"]


def main(way, given, mib):
    catalog = json.loads(given)
    lake = open_lake(catalog)
    lake.layout("visits.raw", [DAY])
    pa.set_cpu_count(1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + int(mib) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = at_once(lake) if way == "pandas" else by_tasks(lake, catalog, Path(folder))
    except (MemoryError, pa.ArrowMemoryError):
        made = "out of memory"
    sys.stdout.write(made + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
