"""Providers with a month of attempts of which the last day is judged: one ill, one suspiciously well.

Belongs here: the file, and its attempts by day. What the day must be found to be follows from
simulation.provider_health_truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from simulation.provider_health_truth import Attempts

METHOD: Final = "credit_card"
_BASE_DAYS: Final = 28
_COLUMNS: Final = (
    "transaction_id,order_id,user_id,merchant_id,card_network,amount,currency,payment_method,provider,"
    "status,error_code,created_at,updated_at"
)


@dataclass(frozen=True, slots=True)
class Provider:
    """Attempts and failures of each of the 28 days before, and of the last day."""

    name: str
    daily: int
    daily_failed: int
    last: int
    last_failed: int


PROVIDERS: Final = (
    # 13 of 40 after 5 of 100: above its band.
    Provider("stripe", 20, 1, 40, 13),
    # 2 of 60 after 3 of 8: below it.
    Provider("adyen", 8, 3, 60, 2),
    # 4 of 30 after none: above its band, but too few to be an illness.
    Provider("worldpay", 8, 0, 30, 4),
    # 29 attempts are too few to judge a day.
    Provider("marqeta", 8, 0, 29, 29),
)


def attempts_until(last_on: date) -> Iterator[Attempts]:
    """Day by day."""
    for provider in PROVIDERS:
        for days_before in range(_BASE_DAYS, 0, -1):
            day = last_on - timedelta(days=days_before)
            yield Attempts(day, provider.name, METHOD, provider.daily, provider.daily_failed)
        yield Attempts(last_on, provider.name, METHOD, provider.last, provider.last_failed)


def write_file(folder: Path, last_on: date) -> Path:
    """All attempts as transactions; Discover's are in no monitoring programme."""
    lines = [_COLUMNS]
    for some in attempts_until(last_on):
        at = f"{some.day}T00:00:00Z"
        for number in range(some.count):
            transaction = f"{some.provider}-{some.day:%Y%m%d}-{number:02}"
            result = "failed,do_not_honor" if number < some.failed else "completed,"
            lines.append(
                f"{transaction},order-{transaction},user-{transaction},health,discover,10.00,USD,"
                f"{METHOD},{some.provider},{result},{at},{at}"
            )
    path = folder / f"provider-health-{last_on}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
