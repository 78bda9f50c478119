"""When a provider is ill, day by day, from single attempts to pay.

Belongs here: counting attempts and the control band, by decimals, without any SQL or code of the platform.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from typing import Any, Final

from simulation.rates import rate_text, six_digits

Json = dict[str, Any]
# As the mart's description has them: days of the base, and what its day, its base and an illness have at least.
_BASE_DAYS: Final = 28
_BASE_ATTEMPTS: Final = 200
_DAY_ATTEMPTS: Final = 30
_ILL_FAILURES: Final = 5
_DEVIATIONS: Final = 3
_DIGITS: Final = 40


@dataclass(frozen=True, slots=True)
class Attempts:
    """So many attempts of one day by one provider and method, and how many of them failed."""

    day: date
    provider: str
    method: str
    count: int
    failed: int


def provider_health_truth(attempts: Iterable[Attempts]) -> Json:
    """`day provider method` -> its counts, those of its base, its band and where the day is."""
    found: Json = {}
    for (provider, method), days in sorted(_by_provider(attempts).items()):
        for day, (count, failed) in sorted(days.items()):
            before = [sums for other, sums in days.items() if 0 < (day - other).days <= _BASE_DAYS]
            base = sum(sums[0] for sums in before), sum(sums[1] for sums in before)
            found[f"{day} {provider} {method}"] = {
                "attempts": count,
                "failed": failed,
                "rate": rate_text(failed, count),
                "base_attempts": base[0],
                "base_failed": base[1],
                **_band(count, failed, *base),
            }
    return found


def _by_provider(
    attempts: Iterable[Attempts],
) -> Mapping[tuple[str, str], Mapping[date, list[int]]]:
    found: dict[tuple[str, str], dict[date, list[int]]] = defaultdict(dict)
    for some in attempts:
        sums = found[some.provider, some.method].setdefault(some.day, [0, 0])
        sums[0] += some.count
        sums[1] += some.failed
    return found


def _band(count: int, failed: int, base: int, base_failed: int) -> Json:
    if count < _DAY_ATTEMPTS or base < _BASE_ATTEMPTS:
        return {"centre": None, "lower": None, "upper": None, "position": "not_judged"}
    with localcontext() as context:
        context.prec = _DIGITS
        centre, likely = Decimal(base_failed) / base, Decimal(base_failed + 1) / (base + 2)
        width = _DEVIATIONS * (likely * (1 - likely) / count).sqrt()
        lower, upper = max(centre - width, Decimal(0)), min(centre + width, Decimal(1))
        rate = Decimal(failed) / count
    position = "below" if rate < lower else "within"
    if rate > upper and failed >= _ILL_FAILURES:
        position = "above"
    return {
        "centre": six_digits(centre),
        "lower": six_digits(lower),
        "upper": six_digits(upper),
        "position": position,
    }
