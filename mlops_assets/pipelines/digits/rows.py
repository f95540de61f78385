"""From raw rows to features: an image is what it is.

Belongs here: `clean` and `features`. Does not belong here: what a valid row is (schemas.py).
"""

import pandas as pd


def clean(df: pd.DataFrame) -> pd.DataFrame:
    """The rows as they are: nothing of an image is to be repaired."""
    return df


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """The pixels themselves; nothing is looked back on."""
    del history
    return df
