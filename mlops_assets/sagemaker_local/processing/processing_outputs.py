"""Outputs of a processing job, stored while it runs and when it has ended.

Belongs here: EndOfJob and Continuous. Does not belong here: when a job has ended
(processing_run.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.processing.processing_layout import ProcessingLayout, outputs
from mlops_assets.sagemaker_local.store import Document

_PAUSE_S = 1.0
log = logging.getLogger(__name__)


class Outputs:
    """What the hosts of one job leave in their output folders; all hosts share an S3Uri."""

    def __init__(
        self, request: Document, layouts: Sequence[ProcessingLayout], objects: Objects
    ) -> None:
        self._request = request
        self._layouts = layouts
        self._objects = objects
        self._stored: dict[Path, tuple[int, int]] = {}

    async def follow(self) -> None:
        """Store new and changed files of Continuous outputs, until cancelled."""
        while any(output["S3UploadMode"] == "Continuous" for output in outputs(self._request)):
            await asyncio.sleep(_PAUSE_S)
            try:
                await asyncio.to_thread(self.store, "Continuous")
            except Exception as error:  # a file that went meanwhile, a store that is busy
                log.warning("outputs are stored with the next look: %s", error)

    def store(self, mode: str) -> None:
        """Store what is new or changed since the last look in the outputs of one upload mode.

        Links are left out: they would point at places that only this run had.
        """
        for output in outputs(self._request):
            if output["S3UploadMode"] != mode:
                continue
            for layout in self._layouts:
                folder = layout.path(output["LocalPath"])
                for path in sorted(folder.rglob("*")):
                    if path.is_file() and not path.is_symlink():
                        self._upload(path, f"{output['S3Uri'].rstrip('/')}/", folder)

    def _upload(self, path: Path, prefix: str, folder: Path) -> None:
        stat = path.stat()
        state = (stat.st_size, stat.st_mtime_ns)
        if self._stored.get(path) != state:
            self._objects.upload(path, prefix + path.relative_to(folder).as_posix())
            self._stored[path] = state
