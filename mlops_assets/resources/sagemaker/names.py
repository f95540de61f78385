"""Names that follow from content, so that whoever asks twice finds what is there.

Here: slugs, digests of requests, names within SageMaker's 63 characters, tag lists.
Not here: the requests themselves (requests.py), and no call to AWS.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

MAX_NAME = 63
SPEC_HASH_TAG = "mlops:spec-hash"
# "-2" … "-99" is appended to a job's name when an earlier attempt ended without a model.
_ROOM_FOR_ATTEMPT = 3
_DIGEST_CHARACTERS = 12
_TAG_FORBIDDEN = re.compile(r"[^\w\s.:/=+\-@]")


def slugify(*parts: str) -> str:
    """Letters, digits and single dashes, as SageMaker's names allow.

    >>> slugify("flight_delays", "model", "2013-04-01")
    'flight-delays-model-2013-04-01'
    """
    slug = re.sub(r"[^a-zA-Z0-9]+", "-", "-".join(part for part in parts if part)).strip("-")
    if not slug:
        raise ValueError(f"{parts!r} holds no letter or digit to make a name of")
    return slug


def digest_of(content: Any) -> str:
    """SHA-256 (hex) over the canonical JSON of ``content``: key order does not matter."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def request_digest(request: Mapping[str, Any], *, without: tuple[str, ...]) -> str:
    """What a request asks for, whatever it is called and however it is tagged."""
    return digest_of({key: value for key, value in request.items() if key not in without})


def name_of(slug: str, digest: str) -> str:
    """``<slug>-<12 characters of the digest>``, short enough for an attempt's suffix.

    >>> name_of("flight-delays", "0123456789abcdef")
    'flight-delays-0123456789ab'
    """
    room = MAX_NAME - _ROOM_FOR_ATTEMPT - _DIGEST_CHARACTERS - 1
    return f"{slug[:room].rstrip('-')}-{digest[:_DIGEST_CHARACTERS]}"


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """``[{"Key", "Value"}]`` in order of keys; characters that tags refuse become ``_``."""
    return [
        {"Key": _TAG_FORBIDDEN.sub("_", key)[:128], "Value": _TAG_FORBIDDEN.sub("_", value)[:256]}
        for key, value in sorted(tags.items())
    ]
