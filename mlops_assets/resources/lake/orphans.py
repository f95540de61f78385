"""Files that no snapshot of a table refers to: what killed and refused writes left behind.

Belongs here: finding and removing them. Does not belong here: snapshots that are still known,
however old (their files are history, which makes a model's training data readable again).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from pyarrow.fs import FileInfo, FileSelector, FileSystem

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Table


def collect(catalog: Catalog, name: tuple[str, str], older_than: timedelta) -> list[str]:
    """Remove the table's orphans last written before ``older_than`` ago; returns their paths.

    The age protects the files of writes under way: it must exceed the longest write.
    """
    table = catalog.load_table(name)
    # First the files, then what is referred to: a commit in between then only adds references.
    found = _files(table)
    known = _references(catalog.load_table(name))
    limit = datetime.now(UTC) - older_than
    orphans = [info.path for info in found if info.path not in known and _written(info) < limit]
    filesystem = _filesystem(table)
    for path in orphans:
        filesystem.delete_file(path)
    return sorted(orphans)


def _written(info: FileInfo) -> datetime:
    return cast(datetime, info.mtime).astimezone(UTC)


def _files(table: Table) -> list[FileInfo]:
    selector = FileSelector(_path(table.location()), recursive=True)
    return [info for info in _filesystem(table).get_file_info(selector) if info.is_file]


def _filesystem(table: Table) -> FileSystem:
    from pyiceberg.io.pyarrow import PyArrowFileIO

    scheme, netloc, _ = PyArrowFileIO.parse_location(table.location())
    return cast("PyArrowFileIO", table.io).fs_by_scheme(scheme, netloc)


def _path(location: str) -> str:
    """A location as the file system knows it: without the scheme."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    return PyArrowFileIO.parse_location(location)[2]


def _references(table: Table) -> set[str]:
    metadata = table.metadata
    locations = {table.metadata_location, *(log.metadata_file for log in metadata.metadata_log)}
    locations |= {statistics.statistics_path for statistics in metadata.statistics}
    manifests: dict[str, ManifestFile] = {}
    for snapshot in table.snapshots():
        locations.add(snapshot.manifest_list)
        manifests |= {manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)}
    for path, manifest in manifests.items():
        locations.add(path)
        entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
        locations |= {entry.data_file.file_path for entry in entries}
    return {_path(location) for location in locations}
