"""Builds upon former ones make the marts that a build from the beginning makes, whatever the lake does.

The models are rendered and run without dbt, by tests/servers/plain_dbt.py; tests/dbt/test_marts.py builds
upon a former build with dbt itself.
"""

from datetime import date, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from tests.factories.lake_tables import DAY, NOON, a_balance, a_posting, rows_of
from tests.fakes.lake import FakeLake
from tests.servers.plain_dbt import PlainDbt

File = tuple[str, date, str]
DEPOSIT_KINDS = ("deposit", "recall", "reinstatement")
# The marts that are built upon former rows, and those right below such models.
UPDATED = (
    "fct_authorizations",
    "fct_ce3_candidates",
    "fct_chargeback_rate_snapshots",
    "fct_daily_balances",
    "fct_daily_movements",
    "fct_deposits",
    "fct_dispute_snapshots",
    "fct_match_breaks",
    "fct_payment_failure_rate_per_payment_method",
    "fct_payment_failure_snapshots",
)


class ChangingLake:
    """A lake to which random files are added, restated and removed."""

    def __init__(self, random: Random) -> None:
        self.random, self.lake, self.day, self.count = random, FakeLake(), DAY, 0
        self.rows_of_file: dict[File, int] = {}

    def change(self) -> None:
        """One step: mostly a new date, at times an old one restated or taken away."""
        step = self.random.random()
        if step < 0.45 or not self.rows_of_file:
            self.day += timedelta(days=self.random.choice([1, 1, 4]))
            for table in self.random.sample(list(ROWS), self.random.randint(1, len(ROWS))):
                self.write((table, self.day, f"{self.count}"), self.random.randint(1, 5))
            return
        file = self.random.choice(sorted(self.rows_of_file))
        if step < 0.7:
            self.write(file, self.rows_of_file[file])
        elif step < 0.85:
            self.write((file[0], file[1], f"late-{self.count}"), self.random.randint(1, 3))
        else:
            self.lake.delete(*file)
            del self.rows_of_file[file]

    def write(self, file: File, rows: int) -> None:
        self.count += 1
        made = [
            {**ROWS[file[0]](self.random, f"{self.count}-{place}"), "row_number": place}
            for place in range(rows)
        ]
        if file[0] in ("transaction_log", "balances"):
            made = [{name: row[name] for name in row if name != "row_number"} for row in made]
        else:
            made = [{**row, "intake_id": self.count} for row in made]
        self.lake.write(*file, rows_of(file[0], *made))
        self.rows_of_file[file] = rows


def a_transaction(random: Random, _: str) -> dict[str, object]:
    number = random.randrange(8)
    said = random.choice([NOON, NOON - timedelta(hours=1), NOON + timedelta(days=1)])
    return {
        "transaction_id": f"t-{number}",
        "order_id": f"o-{number % 3}",
        "user_id": random.choice([None, "ana"]),
        "status": random.choice(["pending", "completed", "completed", "refunded", "failed"]),
        "created_at": random.choice([NOON, NOON, NOON - timedelta(days=200)]),
        "updated_at": random.choice([None, said]),
        "payment_method": random.choice(["card", "wallet"]),
        "merchant_id": random.choice([None, "m"]),
        "card_token": random.choice([None, "tok"]),
        "device_id": random.choice([None, "", "D "]),
        "ip_address": random.choice([None, "1"]),
    }


def an_order(random: Random, _: str) -> dict[str, object]:
    return {"order_id": f"o-{random.randrange(3)}", "user_id": random.choice(["bea", "cy"])}


def a_log_entry(random: Random, key: str) -> dict[str, object]:
    number = random.randrange(8)
    kind = random.choice(["decision", "decision", "capture", "refund", "void", *DEPOSIT_KINDS])
    posted = {"decision": -1000, "capture": -500, "refund": 300, "void": 0, "recall": -400}
    if kind in DEPOSIT_KINDS:
        # A deposit's later credits have a number each.
        later = f"/{int(key.replace('-', '0'))}" if kind == "reinstatement" else ""
        name = f"d-{number % 3}{later}"
        return {
            **a_posting("ana", posted.get(kind, 400), 1, kind=kind, event_key=name),
            "status": None,
        }
    return {
        **a_posting("ana", posted[kind], 1, kind=kind, event_key=key),
        "transaction_id": f"t-{number}",
        "status": random.choice(["PERMIT", "REJECT"]) if kind == "decision" else None,
        "held_change_minor": random.choice([0, 0, 500, -500]),
    }


def a_dispute_step(random: Random, _: str) -> dict[str, object]:
    number = random.randrange(4)
    return {
        "case_number": f"c-{number}",
        "transaction_id": f"t-{number}",
        "stage": random.choice(["inquiry", "chargeback", "chargeback", "representment", "won"]),
        "status": random.choice([None, "open", "won", "lost"]),
        "reason_code": "10.4",
        "activity_date": random.choice([None, NOON, NOON + timedelta(days=2)]),
        "flags": random.choice([[], ["duplicate_case"]]),
    }


def a_closing_balance(random: Random, key: str) -> dict[str, object]:
    return a_balance(f"user-{key}", random.randrange(5000), 1)


ROWS = {
    "transactions": a_transaction,
    "orders": an_order,
    "transaction_log": a_log_entry,
    "chargebacks": a_dispute_step,
    "balances": a_closing_balance,
}


def build(dbt: PlainDbt, lake: FakeLake, home: Path) -> Path:
    warehouse = DuckDbWarehouse(home)
    with warehouse.building(lake) as variables:
        dbt.run(variables)
    return warehouse.build_file


def differences(updated: Path, whole: Path) -> dict[str, int]:
    """Mart -> rows that only one of the builds has."""
    with duckdb.connect() as session:
        session.execute(
            f"attach '{updated}' as updated (read_only); attach '{whole}' as whole (read_only)"
        )
        names = session.execute(
            "select table_name from information_schema.tables"
            " where table_catalog = 'whole' and table_schema = 'marts'"
        ).fetchall()
        found = dict[str, int]()
        for (name,) in names:
            sides = [f"from {side}.marts.{name}" for side in ("updated", "whole")]
            for one, other in (sides, sides[::-1]):
                rows = session.execute(f"{one} except all {other}").fetchall()
                found[name] = found.get(name, 0) + len(rows)
    return {name: count for name, count in found.items() if count}


def check_rounds(dbt: PlainDbt, folder: Path, seeds: range, steps: int) -> None:
    for seed in seeds:
        changing = ChangingLake(Random(seed))  # noqa: S311 - not for secrets
        home, rows = folder / f"updated-{seed}", 0
        for step in range(steps):
            for _ in range(changing.random.randint(1, 3)):
                changing.change()
            updated = build(dbt, changing.lake, home)
            if step % 3 == 2 or step == steps - 1:
                whole = build(dbt, changing.lake, folder / f"whole-{seed}-{step}")
                assert differences(updated, whole) == {}, (seed, step)
                with duckdb.connect(str(updated), read_only=True) as session:
                    query = "select count(*) from marts.fct_three_way_match"
                    rows += session.execute(query).fetchall()[0][0]
        assert rows


def test_builds_upon_each_other_make_what_a_whole_build_makes(tmp_path: Path) -> None:
    check_rounds(PlainDbt(UPDATED), tmp_path, range(1), steps=3)


@pytest.mark.soak
def test_many_builds_upon_each_other_make_what_a_whole_build_makes(tmp_path: Path) -> None:
    check_rounds(PlainDbt(), tmp_path, range(1, 40), steps=15)
