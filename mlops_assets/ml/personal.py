"""What looks like personal data although nobody has declared it: by columns' names, by values.

Belongs here: those patterns; they find the obvious, and prove nothing where they find nothing. Does
not belong here: what is declared, nor where it is looked for.
"""

from __future__ import annotations

import re

import pandas as pd

_NAMES = re.compile(
    r"(^|_)(e?mail|phone|mobile|fax|surname|last_?name|first_?name|full_?name|street|address|ssn"
    r"|passport|iban|birth(day|date)?|date_of_birth|dob|credit_?card|ip(_?address)?)($|_)",
    re.IGNORECASE,
)
_VALUES = {
    "e-mail addresses": re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE),
    "telephone numbers": re.compile(r"\+\d[\d\s().-]{7,16}\d"),
    "IBANs": re.compile(r"[A-Z]{2}\d{2}(\s?[A-Z0-9]{4}){3,7}(\s?[A-Z0-9]{1,3})?"),
    "IP addresses": re.compile(r"(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}"),
    "social security numbers": re.compile(r"\d{3}-\d{2}-\d{4}"),
}
_SHARE = 0.05
_ROWS = 1000


def looks_personal(frame: pd.DataFrame) -> dict[str, str]:
    """{column: why it looks like personal data}, of the first thousand rows.

    >>> looks_personal(pd.DataFrame({"who": ["ada@example.com"], "n": [1], "phone": [""]}))
    {'who': 'holds e-mail addresses', 'phone': 'is called so'}
    """
    found = {}
    for column in map(str, frame.columns):
        if _NAMES.search(column):
            found[column] = "is called so"
            continue
        values = frame[column].head(_ROWS).dropna()
        if pd.api.types.is_numeric_dtype(values.dtype) or values.empty:
            continue
        texts = values.astype(str)
        for kind, pattern in _VALUES.items():
            if texts.map(lambda text, p=pattern: p.fullmatch(text) is not None).mean() >= _SHARE:
                found[column] = f"holds {kind}"
                break
    return found
