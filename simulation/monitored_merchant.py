"""A merchant near the line of a monitoring programme, and where it must stand at the close.

Belongs here: the files (sales, disputes, fraud reports, outcomes of alerts), and the expected figures by
counting, without any code of the pipeline or its tables of lines. Every case is of the first day of the
month, and every id has the month in it. Disputes are over, so that none is in the work queue as overdue.

With so few sales only Mastercard's line can be near: it begins at 100 cases, Visa's at 1,501.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from simulation.provider_health_truth import Attempts
from simulation.rates import rate_text
from simulation.spellings import UNKNOWN

Json = dict[str, Any]
ACQUIRER: Final = "*"
# Cases before this day of a month are too few to say where it ends.
FIRST_FORECAST_DAY: Final = 5
# An alarm is due from this share of the cases that reach the line.
NEAR_PERCENT: Final = 75
# Programme -> tiers from the lowest, each from how many hundredths of a percent and how many cases on:
# Checkout.com's and Solidgate's pages, as docs/monitoring-programmes.md cites them, since April 2026.
LINES: Final = {
    "mastercard_ecm": (("ecm", 150, 100), ("hecm", 300, 300)),
    "visa_vamp": (("excessive", 150, 1_501),),
    "visa_vamp_acquirer": (("above_standard", 50, 1), ("excessive", 70, 1)),
}
_TRANSACTIONS: Final = (
    "transaction_id,order_id,user_id,merchant_id,card_network,amount,currency,payment_method,status,"
    "created_at,updated_at"
)
_CHARGEBACKS: Final = (
    "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network,reason_code,"
    "status,activity_date"
)


@dataclass(frozen=True, slots=True)
class Merchant:
    """How many sales and cases it has. `resolved`: disputes whose RDR alert was accepted before."""

    name: str
    mastercard_sales: int
    mastercard_disputes: int
    visa_sales: int = 0
    visa_disputes: int = 0
    resolved: int = 0
    fraud_reports: int = 0
    withdrawn: int = 0


MERCHANTS: Final = (
    Merchant("near-line", 1_200, 80, visa_sales=400, visa_disputes=6, resolved=2, fraud_reports=12,
             withdrawn=2),
    Merchant("quiet", 300, 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Month:
    """The month of the cases."""

    first: date

    @classmethod
    def of(cls, day: date) -> "Month":
        """The month that a day is in."""
        return cls(day.replace(day=1))

    @property
    def last(self) -> date:
        """Its last day."""
        return (self.first + timedelta(days=31)).replace(day=1) - timedelta(days=1)

    @property
    def tag(self) -> str:
        """What ids of the month have in them."""
        return f"{self.first:%Y%m}"

    def sold_on(self, network: str) -> date:
        """Mastercard counts the sales of the month before."""
        return self.first if network == "visa" else self.first - timedelta(days=10)


def write_files(folder: Path, month: Month) -> Mapping[str, Path]:
    """Transactions, their disputes, fraud reports and outcomes of alerts; by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "transactions": [
            _TRANSACTIONS,
            *_sales(month),
        ],
        "chargebacks": [
            _CHARGEBACKS,
            *_disputes(month),
        ],
        "fraud_reports": [
            "source,reported_on,amount,currency,transaction_id,report_id,status",
            *(
                f"tc40,{month.first},10.00,USD,{_sale(merchant, 'visa', number, month)},"
                f"report-{merchant.name}-{month.tag}-{number},"
                f"{'withdrawn' if number < merchant.withdrawn else 'reported'}"
                for merchant in MERCHANTS
                for number in range(merchant.fraud_reports)
            ),
        ],
        "pre_dispute_outcomes": [
            "service,case_id,outcome,outcome_on,amount,currency,transaction_id",
            *(
                f"rdr,alert-{merchant.name}-{month.tag}-{number},"
                # A refused alert goes on as a dispute, which counts.
                f"{'accepted' if number < merchant.resolved else 'declined'},{month.first},10.00,USD,"
                f"{_sale(merchant, 'visa', number, month)}"
                for merchant in MERCHANTS
                for number in range(min(merchant.resolved + 1, merchant.visa_disputes))
            ),
        ],
    }
    paths = {}
    for kind, lines in files.items():
        paths[kind] = folder / f"{kind}-{month.tag}.csv"
        paths[kind].write_text("\n".join(lines) + "\n", "utf-8")
    return paths


def sales_attempts(month: Month) -> Iterator[Attempts]:
    """The sales as attempts to pay: none failed, and none names its provider."""
    for merchant in MERCHANTS:
        yield Attempts(
            month.sold_on("mastercard"), UNKNOWN, "credit_card", merchant.mastercard_sales, 0
        )
        if merchant.visa_sales:
            yield Attempts(month.sold_on("visa"), UNKNOWN, "credit_card", merchant.visa_sales, 0)


def monitoring_truth(month: Month, as_of_on: date) -> dict[str, Json]:
    """`merchant/programme` -> what the month's row must say, as of a day in the month or after it."""
    found = dict[str, Json]()
    for merchant in MERCHANTS:
        counted = {
            "disputes": merchant.mastercard_disputes,
            "fraud_reports": 0,
            "excluded_disputes": 0,
            "excluded_fraud_reports": 0,
            "sales": merchant.mastercard_sales,
        }
        found[f"{merchant.name}/mastercard_ecm"] = counted
        if merchant.visa_sales:
            found[f"{merchant.name}/visa_vamp"] = _vamp([merchant])
    found[f"{ACQUIRER}/visa_vamp_acquirer"] = _vamp(MERCHANTS)
    return {
        key: counted | _standing(key.partition("/")[2], counted, month, as_of_on)
        for key, counted in found.items()
    }


def _vamp(merchants: tuple[Merchant, ...] | list[Merchant]) -> Json:
    return {
        "disputes": sum(item.visa_disputes - item.resolved for item in merchants),
        "fraud_reports": sum(item.fraud_reports - item.withdrawn for item in merchants),
        "excluded_disputes": sum(item.resolved for item in merchants),
        "excluded_fraud_reports": sum(item.withdrawn for item in merchants),
        "sales": sum(item.visa_sales for item in merchants),
    }


def _standing(programme: str, counted: Json, month: Month, as_of_on: date) -> Json:
    cases, sales = counted["disputes"] + counted["fraud_reports"], counted["sales"]
    is_over = as_of_on > month.last
    days = month.last.day
    elapsed = days if is_over else as_of_on.day
    is_known = elapsed >= FIRST_FORECAST_DAY
    end_cases = _at_the_end(cases, elapsed, days) if is_known else None
    end_sales = sales if programme == "mastercard_ecm" else _at_the_end(sales, elapsed, days)
    tier = _tier(programme, cases, sales)
    forecast_tier = None if end_cases is None else _tier(programme, end_cases, end_sales)
    _, bps, least = LINES[programme][0]
    needed = max(least, -(-bps * sales // 10_000))
    is_near = is_known and cases * 100 >= NEAR_PERCENT * needed
    level = "reached" if tier else "forecast" if forecast_tier else "near" if is_near else None
    return {
        "cases": cases,
        "ratio": rate_text(cases, sales),
        "tier": tier,
        "cases_to_line": needed - cases,
        "forecast_cases": end_cases,
        "forecast_tier": forecast_tier,
        "alarm": None if is_over or programme == "visa_vamp_acquirer" else level,
    }


def _at_the_end(count: int, elapsed: int, days: int) -> int:
    """So far, by days; half a case is one."""
    return int(Fraction(count * days, elapsed) + Fraction(1, 2))


def _tier(programme: str, cases: int, sales: int) -> str | None:
    reached = [
        name
        for name, bps, least in LINES[programme]
        if cases >= least and Fraction(cases, sales) >= Fraction(bps, 10_000)
    ]
    return reached[-1] if reached else None


def _sales(month: Month) -> Iterator[str]:
    for merchant in MERCHANTS:
        for network, count in (
            ("mastercard", merchant.mastercard_sales),
            ("visa", merchant.visa_sales),
        ):
            at = f"{month.sold_on(network)}T00:00:00Z"
            for number in range(count):
                sale = _sale(merchant, network, number, month)
                yield (
                    f"{sale},order-{sale},user-{sale},{merchant.name},{network},10.00,USD,credit_card,"
                    f"completed,{at},{at}"
                )


def _disputes(month: Month) -> Iterator[str]:
    for merchant in MERCHANTS:
        for network, count, reason in (
            ("mastercard", merchant.mastercard_disputes, "4853"),
            ("visa", merchant.visa_disputes, "13.1"),
        ):
            for number in range(count):
                sale = _sale(merchant, network, number, month)
                yield (
                    f"{sale},10.00,{month.first},USD,case-{sale},{network},{reason},lost,{month.first}"
                )


def _sale(merchant: Merchant, network: str, number: int, month: Month) -> str:
    return f"{merchant.name}-{network}-{month.tag}-{number:04}"
