"""A package's lineage and metrics as CustomerMetadataProperties, and back.

At most 50 entries of 256 characters from a small alphabet: values are escaped, and what does not
fit is an error, never cut. Here: that form. Not here: what a lineage must hold (the assets).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

METRIC = "metric."
# Kept beside the lineage, and no part of what identifies a package.
DIGEST, TRAINED_BY, SIGNATURE = "mlops:digest", "mlops:trained-by", "mlops:signature"
REASON = "mlops:reason"
OWN = (DIGEST, TRAINED_BY, SIGNATURE, REASON)
_MAX_ENTRIES, _MAX_VALUE = 50, 256
_PLAIN = re.compile(r"[A-Za-z0-9 _.:/+@-]")
_ESCAPED = re.compile(r"(?:=[0-9A-F]{2})+")


class RegistryError(ValueError):
    """A model cannot be registered or is not there; the message says which and why."""


def properties(lineage: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, str]:
    """Lineage and metrics, escaped.

    Raises:
        RegistryError: they do not fit beside the registry's own entries.
    """
    found = {
        **lineage,
        **{f"{METRIC}{name}": repr(float(value)) for name, value in metrics.items()},
    }
    if len(found) + len(OWN) > _MAX_ENTRIES:
        raise RegistryError(
            f"lineage and metrics have {len(found)} entries, a model package takes "
            f"{_MAX_ENTRIES - len(OWN)}: keep the rest in the evaluation's object (metrics_uri)"
        )
    escaped = {key: escape(value) for key, value in found.items()}
    for key, value in escaped.items():
        if not 1 <= len(value) <= _MAX_VALUE or not re.fullmatch(
            r"[A-Za-z0-9_.:/+@=-]{1,128}", key
        ):
            raise RegistryError(
                f"lineage {key!r} has {len(value)} characters once escaped, a model package takes "
                f"1 to {_MAX_VALUE}: store the value as an object and register its URI or digest"
            )
    return escaped


def lineage_of(stored: Mapping[str, str]) -> dict[str, str]:
    """What of a package's unescaped properties is lineage."""
    return {k: v for k, v in stored.items() if not k.startswith(METRIC) and k not in OWN}


def metrics_of(stored: Mapping[str, str]) -> dict[str, float]:
    """What of a package's unescaped properties are metrics."""
    return {
        key.removeprefix(METRIC): float(value)
        for key, value in stored.items()
        if key.startswith(METRIC)
    }


def escape(text: str) -> str:
    """Characters outside SageMaker's alphabet as ``=XX`` (their UTF-8 bytes).

    >>> escape("depth {6}")
    'depth =7B6=7D'
    """
    return "".join(
        c if _PLAIN.fullmatch(c) else "".join(f"={byte:02X}" for byte in c.encode()) for c in text
    )


def fitting(text: str) -> str:
    """The text, cut where its escaped form would not fit: for what only people read."""
    while len(escape(text)) > _MAX_VALUE:
        text = text[:-1]
    return text


def unescape(text: str) -> str:
    """The text that `escape` was given."""
    return _ESCAPED.sub(
        lambda match: bytes.fromhex(match[0].replace("=", "")).decode(errors="replace"), text
    )
