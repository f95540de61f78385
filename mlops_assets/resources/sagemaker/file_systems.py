"""Training input from FSx for Lustre: the bucket's objects as files that are mounted, not copied.

Here: where an object of the bucket is in a file system that is linked to it, and the channel that
reads it there. Not here: the file system itself (deploy/), channels from S3 (requests.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_SPELLED = re.compile(r"(?P<id>fs-[0-9a-f]{8,40}):(?P<root>/[a-z0-9]{1,32}(/[\w.-]+)*)")


@dataclass(frozen=True)
class Lustre:
    """A file system with a data repository association to the whole bucket.

    Args:
        id: ``fs-…``.
        root: where the bucket's keys begin: ``/`` and the mount name, then the association's path.
    """

    id: str
    root: str

    @classmethod
    def parse(cls, text: str) -> Lustre:
        """``fs-0123456789abcdef0:/abcdefgh/lake``; ValueError for anything else.

        >>> Lustre.parse("fs-0123456789abcdef0:/abcdefgh/lake").path("s3://bucket/datasets/x/train")
        '/abcdefgh/lake/datasets/x/train'
        """
        found = _SPELLED.fullmatch(text)
        if not found:
            raise ValueError("must be fs-…:/mountname or fs-…:/mountname/path of the bucket's link")
        return cls(found["id"], found["root"])

    def path(self, uri: str) -> str:
        """Where the objects below an ``s3://`` folder of the bucket are."""
        return f"{self.root}/{uri.removeprefix('s3://').partition('/')[2].rstrip('/')}"

    def channel(self, name: str, uri: str, content_type: str | None = None) -> dict[str, Any]:
        """One entry of InputDataConfig: the folder, mounted read-only."""
        return {
            **({"ContentType": content_type} if content_type else {}),
            "ChannelName": name,
            "DataSource": {
                "FileSystemDataSource": {
                    "FileSystemId": self.id,
                    "FileSystemAccessMode": "ro",
                    "FileSystemType": "FSxLustre",
                    "DirectoryPath": self.path(uri),
                }
            },
            "InputMode": "File",
        }
