"""The KPIs of a simulated day, from what the generator knows of each payment and each dispute.

Belongs here: adding up payments and disputes one by one, in whole numbers and fractions, without any
code of the platform: no table of names, no rule of steps, no SQL.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from cardops.rules.intake.files import Kind
from simulation.cards import NETWORKS
from simulation.dispute_rows import dispute_key, grouped, is_accepted
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


@dataclass(frozen=True, slots=True)
class DisputeEnd:
    """What is true of one dispute in the end."""

    transaction_id: str
    network: str
    day: str
    currency: str
    amount_minor: int
    is_chargeback: bool
    outcome: str


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
    disputes = list(_disputes(files))
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
        "dispute_outcomes": _outcomes(disputes),
    }


def rate_text(part: int, whole: int) -> str | None:
    """Part over whole with six digits, half rounded up; None where there is nothing to divide by."""
    if not whole:
        return None
    millionths = int(Fraction(part, whole) * 1_000_000 + Fraction(1, 2))
    return f"{millionths // 1_000_000}.{millionths % 1_000_000:06}"


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


def _disputes(files: Sequence[InputFile]) -> Iterator[DisputeEnd]:
    """Each dispute by all its rows: the last one says how it stands."""
    for rows in grouped(files, is_accepted, dispute_key):
        stages = {str(row.cells["stage"]) for row in rows}
        last = rows[-1]
        status = str(last.cells["status"])
        yield DisputeEnd(
            transaction_id=str(last.cells["transaction_id"]),
            network=last.network,
            day=min(str(row.cells["dispute_date"])[:10] for row in rows),
            currency=last.currency,
            amount_minor=last.amount_minor,
            is_chargeback=stages != {"inquiry"},
            outcome=status if status in {"won", "lost"} else "open",
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


def _outcomes(disputes: Iterable[DisputeEnd]) -> Json:
    """By card company and currency: how chargebacks ended, and the money of the open ones."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for dispute in disputes:
        if dispute.is_chargeback:
            at_stake = dispute.amount_minor if dispute.outcome == "open" else 0
            found[f"{dispute.network} {dispute.currency}"].update(
                {"disputes": 1, dispute.outcome: 1, "at_stake": at_stake}
            )
    names = ("disputes", "open", "won", "lost", "at_stake")
    return {key: {name: found[key][name] for name in names} for key in sorted(found)}
