"""What a valid row is: of the source (RawDigits) and of the features (DigitFeatures).

Belongs here: columns, types and ranges. Does not belong here: reading or shaping rows.
"""

from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa

from mlops_assets.pipelines.digits.source import DIGITS, PIXELS

Instant = Annotated[pd.DatetimeTZDtype, "us", "UTC"]

# A column for each pixel, in the order in which the network reads them.
_Pixels: Any = type(
    "_Pixels",
    (pa.DataFrameModel,),
    {
        "__annotations__": dict.fromkeys(PIXELS, int),
        "__module__": __name__,
        **{name: pa.Field(ge=0, le=16) for name in PIXELS},
    },
)


class RawDigits(_Pixels):
    """Images as `source.Digits` reads them: ink of 0 to 16 for each pixel, row by row."""

    image: str = pa.Field(str_matches=r"^digit-\d{4}$", unique=True)
    scanned_at: Instant
    digit: int = pa.Field(ge=0, lt=len(DIGITS))

    class Config:
        """Another column would be another source."""

        strict = True


class DigitFeatures(RawDigits):
    """Nothing is derived: the network learns from the pixels themselves."""
