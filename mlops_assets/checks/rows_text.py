"""Characters that nobody sees and that break readers: found in a column of text.

Belongs here: the one vectorised scan. Does not belong here: other rules on text, which the
schema declares (`rows_rules`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.compute as arrow_compute

# C0 without tab and line ends, DEL, C1, and the marks that turn the direction of writing.
_CONTROLS = (
    r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}"
    r"\x{061C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}]"
)
_SUSPECT = np.zeros(256, dtype=bool)
_SUSPECT[[b for b in (*range(32), 0x7F, 0xC2, 0xD8, 0xE2) if b not in b"\t\n\r"]] = True


def control_characters(values: pd.Series) -> np.ndarray:
    """(rows,) bool: text that holds a control character or a mark of writing direction."""
    text = values.array.__arrow_array__()
    chunks = text.chunks if isinstance(text, arrow.ChunkedArray) else [text]
    # Nearly every column is clean, and its bytes say so ten times faster than a regex.
    if not any(_is_suspect(chunk) for chunk in chunks):
        return np.zeros(len(values), dtype=bool)
    found = arrow_compute.fill_null(arrow_compute.match_substring_regex(text, _CONTROLS), False)
    return np.asarray(found)


def _is_suspect(chunk: Any) -> bool:
    _, offsets, data = chunk.buffers()
    if data is None or len(chunk) == 0:
        return False
    width = np.int64 if arrow.types.is_large_string(chunk.type) else np.int32
    ends = np.frombuffer(offsets, dtype=width)[chunk.offset : chunk.offset + len(chunk) + 1]
    content = np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]
    if len(content) == 0 or (content.min() >= 0x20 and content.max() < 0x7F):
        return False
    return bool(_SUSPECT[content].any())
