"""Writing a partition's rows to a file that a later commit makes its content.

Belongs here: streaming parts into a file under the columns that its table will have. Does not
belong here: the commit (commit.py): until it, nobody sees the rows, and a file that is never
committed is an orphan (orphans.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from mlops_assets.resources.lake import files, scan
from mlops_assets.resources.lake.commit import check_names, load_or_create, widened
from mlops_assets.resources.lake.content import digest_of
from mlops_assets.resources.lake.frames import Dtypes, fit, to_pandas
from mlops_assets.resources.lake.staged import Staged

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog


def stage(
    catalog: Catalog,
    table: str,
    partition: str,
    schema: pa.Schema,
    parts: Iterable[pa.Table],
    dtypes: Dtypes,
) -> Staged:
    """Write the parts, of ``schema`` each (lake types), in order; a row group is in memory at most.

    The digest is what `commit.write_partition` of the whole frame would note.
    """
    check_names(table, partition, schema.names)
    handle = load_or_create(catalog, table)
    known = files.arrow_schema(handle)
    fitted = fit(schema.empty_table(), known).schema
    rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal rows
        yield fitted.empty_table()
        for part in parts:
            rows += part.num_rows
            yield fit(part, known)

    metadata = widened(handle, known, fitted).table_metadata
    file = files.write(handle, metadata, partition, counted())
    stored = metadata.schema()

    return Staged(
        partition=partition,
        uri=file.file_path,
        rows=rows,
        bytes=file.file_size_in_bytes,
        digest=digest_of(fitted, rows, partial(scan.read_file, handle.io, stored, file.file_path)),
        columns=tuple(fitted.names),
        table_schema=stored.model_dump_json(),
        dtypes=dtypes,
        shown={str(n): str(d) for n, d in to_pandas(schema.empty_table(), dtypes).dtypes.items()},
    )
