"""The KPIs of a simulated day, from what the generator knows of each payment and each dispute.

Belongs here: adding up payments and disputes one by one, in whole numbers and fractions, without any
code of the platform: no table of names, no rule of steps, no SQL.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from cardops.rules.intake.files import Kind
from simulation.cards import NETWORKS
from simulation.dispute_rows import is_accepted
from simulation.outcome_truth import (
    DisputeEnd,
    dispute_ends,
    outcomes,
    outcomes_by_month,
    outcomes_by_reason,
)
from simulation.provider_health_truth import Attempts, provider_health_truth
from simulation.rates import rate_text
from simulation.rows import InputFile, Row
from simulation.spellings import UNKNOWN, meant_method, meant_provider

Json = dict[str, Any]
_SETTLED: Final = frozenset({"completed", "refunded"})
_ATTRIBUTIONS: Final = ("sale_month", "dispute_month", "prior_month_sales")
_DECEMBER: Final = 12


@dataclass(frozen=True, slots=True)
class Payment:
    """What is true of one transaction in the end."""

    transaction_id: str
    day: str
    method: str
    provider: str
    network: str
    merchant: str
    currency: str
    amount_minor: int
    status: str
    error_code: str

    @property
    def is_settled(self) -> bool:
        """Whether it took money, be it refunded since."""
        return self.status in _SETTLED


@dataclass(slots=True)
class Sides:
    """Both sides of one chargeback rate."""

    settled: int = 0
    volume: int = 0
    disputed: set[str] = field(default_factory=set)
    value: int = 0
    other_currency: int = 0

    def as_json(self) -> Json:
        """The sides of the rate, in whole numbers."""
        return {
            "settled": self.settled,
            "volume": self.volume,
            "disputed": len(self.disputed),
            "value": self.value,
            "other_currency": self.other_currency,
        }

    def with_rates(self) -> Json:
        """The same, and both rates with six digits."""
        return {
            **self.as_json(),
            "rate_by_count": rate_text(len(self.disputed), self.settled),
            "rate_by_value": rate_text(self.value, self.volume),
        }


def kpis_truth(files: Sequence[InputFile]) -> Json:
    """Every KPI of the marts: see docs/kpis.md."""
    payments = {payment.transaction_id: payment for payment in _payments(files)}
    disputes = list(dispute_ends(files))
    counted = [
        (dispute, payments[dispute.transaction_id])
        for dispute in disputes
        if not _why_outside(dispute, payments)
    ]
    return {
        "chargeback_rate": _per_method(payments.values(), counted),
        "chargeback_rate_monthly": _monthly(payments.values(), counted),
        "payment_failure_rate": _failures(payments.values()),
        "payment_failure_daily": _failures_by_day(payments.values()),
        "disputes_outside_rates": dict(
            sorted(Counter(filter(None, (_why_outside(d, payments) for d in disputes))).items())
        ),
        "dispute_outcomes": outcomes(disputes),
        "dispute_outcomes_by_reason": outcomes_by_reason(disputes),
        "dispute_outcomes_monthly": outcomes_by_month(disputes),
        "provider_health": provider_health_truth(_attempts_of(payments.values())),
    }


def _payments(files: Sequence[InputFile]) -> Iterator[Payment]:
    """Each transaction as its latest row by change, then by arrival, says."""
    latest: dict[str, tuple[InputFile, Row]] = {}
    for file in files:
        if file.kind != Kind("transactions") or file.refused_for:
            continue
        for row in filter(is_accepted, file.rows):
            transaction_id = str(row.cells["transaction_id"])
            known = latest.get(transaction_id)
            if known is None or _changed(row) >= _changed(known[1]):
                latest[transaction_id] = (file, row)
    return (_payment(file, row) for file, row in latest.values())


def _changed(row: Row) -> str:
    return str(row.cells["updated_at"])


def _payment(file: InputFile, row: Row) -> Payment:
    cells = row.cells
    provider = meant_provider(cells["provider"])
    # The e-commerce shape has no columns for them: its provider is the network, if there is one.
    network = cells["card_network"] or provider if file.nests else cells["card_network"]
    return Payment(
        transaction_id=str(cells["transaction_id"]),
        day=str(cells["created_at"])[:10],
        method=meant_method(cells["payment_method"]),
        provider=provider,
        network=str(network) if network in NETWORKS else UNKNOWN,
        merchant=UNKNOWN if file.nests else str(cells["merchant_id"]),
        currency=row.currency,
        amount_minor=row.amount_minor,
        status=str(cells["status"]),
        error_code=str(cells["error_code"] or "none"),
    )


def _why_outside(dispute: DisputeEnd, payments: Mapping[str, Payment]) -> str | None:
    payment = payments.get(dispute.transaction_id)
    if not dispute.is_chargeback:
        return "inquiry"
    if payment is None:
        return "unknown_payment"
    return None if payment.is_settled else f"{payment.status}_payment"


Counted = Sequence[tuple[DisputeEnd, Payment]]


def _per_method(payments: Iterable[Payment], counted: Counted) -> Json:
    sides: dict[str, Sides] = defaultdict(Sides)
    for payment in payments:
        if payment.is_settled:
            _add_sale(sides[f"{payment.method} {payment.currency}"], payment)
    for dispute, payment in counted:
        _add_dispute(sides[f"{payment.method} {payment.currency}"], dispute, payment)
    return {name: sides[name].with_rates() for name in sorted(sides)}


def _monthly(payments: Iterable[Payment], counted: Counted) -> Json:
    """By attribution and month: once by method, network and provider, once by merchant."""
    sides: dict[str, Sides] = defaultdict(Sides)
    months: set[str] = set()
    for payment in filter(lambda payment: payment.is_settled, payments):
        sold = payment.day[:7]
        months.add(sold)
        for attribution in _ATTRIBUTIONS:
            month = _next_month(sold) if attribution == "prior_month_sales" else sold
            for name in _cells(attribution, month, payment):
                _add_sale(sides[name], payment)
    for dispute, payment in counted:
        months.add(dispute.day[:7])
        for attribution in _ATTRIBUTIONS:
            month = payment.day[:7] if attribution == "sale_month" else dispute.day[:7]
            for name in _cells(attribution, month, payment):
                _add_dispute(sides[name], dispute, payment)
    last = max(months, default="")
    return {name: sides[name].as_json() for name in sorted(sides) if name.split()[1] <= last}


def _cells(attribution: str, month: str, payment: Payment) -> tuple[str, str]:
    when = f"{attribution} {month} {payment.currency}"
    how = f"{payment.method} {payment.network} {payment.provider}"
    return f"{when} {how}", f"{when} {payment.merchant}"


def _next_month(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // _DECEMBER}-{number % _DECEMBER + 1:02}"


def _add_sale(sides: Sides, payment: Payment) -> None:
    sides.settled += 1
    sides.volume += payment.amount_minor


def _add_dispute(sides: Sides, dispute: DisputeEnd, payment: Payment) -> None:
    sides.disputed.add(payment.transaction_id)
    if dispute.currency == payment.currency:
        sides.value += dispute.amount_minor
    else:
        sides.other_currency += 1


def _attempts(
    payments: Iterable[Payment], name_of: Callable[[Payment], str]
) -> tuple[Counter[str], Counter[str]]:
    """Attempts and failed ones by that name; pending payments are none yet."""
    tried = [payment for payment in payments if payment.is_settled or payment.status == "failed"]
    failed = [payment for payment in tried if not payment.is_settled]
    return Counter(map(name_of, tried)), Counter(map(name_of, failed))


def _attempts_of(payments: Iterable[Payment]) -> Iterator[Attempts]:
    for payment in payments:
        if payment.is_settled or payment.status == "failed":
            day, failed = date.fromisoformat(payment.day), int(not payment.is_settled)
            yield Attempts(day, payment.provider, payment.method, 1, failed)


def _failures(payments: Iterable[Payment]) -> Json:
    attempts, failed = _attempts(payments, lambda payment: payment.method)
    return {
        method: {
            "attempts": attempts[method],
            "failed": failed[method],
            "rate": rate_text(failed[method], attempts[method]),
        }
        for method in sorted(attempts)
    }


def _failures_by_day(payments: Iterable[Payment]) -> Json:
    attempts, failed = _attempts(
        payments,
        lambda payment: f"{payment.day} {payment.method} {payment.provider} {payment.error_code}",
    )
    return {name: {"attempts": attempts[name], "failed": failed[name]} for name in sorted(attempts)}
