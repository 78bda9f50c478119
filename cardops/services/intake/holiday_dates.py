"""Public and bank holidays by calendar name, from the library `holidays`.

Belongs here: what a calendar's name means. The library is loaded when a name is first used.
"""

from collections.abc import Collection, Sequence
from datetime import date
from functools import lru_cache

from cardops.rules.errors import ExplainedError


class UnknownHolidaysError(ExplainedError):
    """No holiday calendar has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no holiday calendar {name!r}; use a country such as AT or US, a part of one "
            "such as DE-BY, or a financial calendar such as XECB (TARGET)."
        )


def holiday_dates(name: str | None, years: Sequence[int]) -> Collection[date]:
    """The holidays of these years; none where no calendar is named. Raises UnknownHolidaysError."""
    return frozenset() if name is None else _dates(name, tuple(years))


@lru_cache(maxsize=64)
def _dates(name: str, years: tuple[int, ...]) -> frozenset[date]:
    import holidays  # noqa: PLC0415 - half a second, which most commands do not need

    country, _, part = name.partition("-")
    try:
        if not part and country in holidays.list_supported_financial():
            return frozenset(holidays.financial_holidays(country, years=years))
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=years))
    except NotImplementedError:
        raise UnknownHolidaysError(name) from None
