"""The mart of Compelling Evidence 3.0 candidates finds what the rule for one dispute finds.

Its SQL is rendered and run here without dbt, which would take seconds; dbt's own unit tests run with the
other models.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import jinja2
import polars as pl
import yaml

from cardops.rules.chargebacks.compelling_evidence import (
    Sale,
    find_prior_sales,
    prior_sales_rule,
)
from cardops.rules.data_tables import read_table

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
MART = "marts/disputes/fct_ce3_candidates"
DISPUTED_ON = date(2026, 11, 10)
COLUMNS = (
    *("transaction_id", "order_id", "user_id", "email", "ip_address", "device_id", "merchant_id"),
    *("card_token", "card_bin", "card_last4", "status", "amount_minor", "currency"),
)


def variables() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    return found


def rendered(model: str) -> str:
    """The model's SQL as a build from the beginning runs it."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - SQL
    macros = (PROJECT / "macros/dialect.sql").read_text()
    template = environment.from_string(macros + (PROJECT / f"models/{model}.sql").read_text())
    return template.render(
        ref=lambda name: name,
        var=lambda name: variables()[name],
        config=lambda **_: "",
        touched_dates=lambda _: None,
        is_on=lambda _: "",
        may_have_versions_on=lambda _: "",
        changed_since_built=lambda: "",
        build_number=lambda: "1",
    )


def some_sales(random: Random, count: int) -> list[Sale]:
    """Sales to a few cards at a few merchants that share something or nothing."""
    days = (119, 120, 200, 300, 365, 366)
    return [
        Sale(
            f"t{place}",
            DISPUTED_ON - timedelta(days=random.choice(days)),
            100,
            "USD",
            random.choice(["completed", "completed", "refunded", "failed", "pending"]),
            order_id=f"o{place % 7}",
            user_id=random.choice([None, "u1", "u2"]),
            email=random.choice([None, "a@x", " A@x", "b@x"]),
            ip_address=random.choice([None, "", "1", "1 ", "2"]),
            device_id=random.choice([None, "d", "D", "e"]),
            merchant_id=random.choice(["m1", "m1", "m2", None]),
            card_token=random.choice([None, "tok", "tok", "kot"]),
            card_bin=random.choice(["4", "4", None]),
            card_last4="1",
        )
        for place in range(count)
    ]


def as_tables(
    session: duckdb.DuckDBPyConnection, sales: Sequence[Sale], disputed: Sequence[str]
) -> None:
    """The models that the mart reads, with these sales and a dispute of each that is named."""
    rows = [
        {
            **{name: value for name, value in asdict(sale).items() if name in COLUMNS},
            "program": "p",
            "transaction_key": f"p/{sale.transaction_id}",
            "created_at": datetime.fromisoformat(f"{sale.sold_on}T10:00:00+00:00"),
            "changed_at": datetime.fromisoformat(f"{sale.sold_on}T10:00:00+00:00"),
            "intake_id": 1,
            "row_number": place,
            "business_date": sale.sold_on,
            **dict.fromkeys(("payment_method", "provider", "card_network", "error_code")),
        }
        for place, sale in enumerate(sales)
    ]
    dispute = {"program": "p", "network": "visa", "reason_code": "10.4", "opened_on": DISPUTED_ON}
    empty = ("reply_by_on", "days_left", "dispute_amount_minor", "dispute_currency", "as_of_on")
    disputes = [
        {
            **dispute,
            **dict.fromkeys(empty),
            "dispute_key": name,
            "case_number": name,
            "transaction_id": name,
            "is_open": True,
        }
        for name in disputed
    ]
    orders = [{"order_key": f"p/o{place}", "user_id": "u1"} for place in range(3)]
    for name, table in (
        ("stg_lake__transactions", rows),
        ("fct_disputes", disputes),
        ("int_order_users", orders),
    ):
        frame = pl.DataFrame(table, infer_schema_length=None)
        session.register(f"{name}_frame", frame.to_arrow())
        session.execute(f"create table {name} as select * from {name}_frame")  # noqa: S608 - our own
    histories = rendered("intermediate/int_transaction_histories")
    session.execute(f"create table int_transaction_histories as {histories}")


def test_mart_finds_what_the_rule_for_one_dispute_finds() -> None:
    random = Random(7)  # noqa: S311 - made-up sales
    sales = some_sales(random, 160)
    disputed = [f"t{place}" for place in range(60)]
    with duckdb.connect() as session:
        session.execute("set TimeZone = 'UTC'")
        as_tables(session, sales, [*disputed, "unknown"])
        columns = (
            "dispute_key, matched_elements, first_transaction_id, second_transaction_id, missing"
        )
        query = f"select {columns} from ({rendered(MART)})"  # noqa: S608 - our own
        found = {key: rest for key, *rest in session.execute(query).fetchall()}

    rule = prior_sales_rule("visa", "10.4", DISPUTED_ON)
    assert rule is not None
    users = {f"o{place}": "u1" for place in range(3)}
    known = {
        sale.transaction_id: replace(
            sale,
            user_id=sale.user_id or users.get(str(sale.order_id)),
            is_disputed=sale.transaction_id in disputed,
        )
        for sale in sales
    }
    expected = {}
    for name in [*disputed, "unknown"]:
        prior = find_prior_sales(known.get(name), DISPUTED_ON, list(known.values()), rule)
        ids = [sale.transaction_id for sale in prior.sales] or [None, None]
        expected[name] = [", ".join(prior.elements) or None, *ids, ", ".join(prior.missing) or None]
    assert found == expected
    assert sum(row[0] is not None for row in expected.values()) > 5
    assert len({row[-1] for row in expected.values()}) > 4


def test_variables_of_the_mart_are_the_published_rule() -> None:
    (row,) = read_table("compelling_evidence")

    assert {name: str(value) for name, value in variables().items() if name.startswith("ce3")} == {
        "ce3_reason_code": row["reason_code"],
        "ce3_since": row["valid_from"],
        "ce3_prior_transactions": row["prior_transactions"],
        "ce3_youngest_days": row["youngest_days"],
        "ce3_oldest_days": row["oldest_days"],
    }
