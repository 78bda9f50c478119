"""Types of lake columns."""

from typing import Final

import polars as pl

TEXT: Final = pl.String()
INTEGER: Final = pl.Int64()
INSTANT: Final = pl.Datetime("us", "UTC")
DATE: Final = pl.Date()
