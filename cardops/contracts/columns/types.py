"""Types of lake columns."""

from typing import Final

import polars as pl

TEXT: Final = pl.String()
INTEGER: Final = pl.Int64()
# A sum of amounts, which may pass i64.
TOTAL: Final = pl.Decimal(38, 0)
INSTANT: Final = pl.Datetime("us", "UTC")
DATE: Final = pl.Date()
