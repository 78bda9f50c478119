"""After a day with full card numbers, card numbers and secrets are only where they came in."""

import gzip
import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.postgresql.connection import connect
from cardops.rules.card_numbers import passes_luhn
from simulation.generator import generate
from tests.factories.console import Console, a_home_with_card_companies
from tests.factories.samples import write

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(900)]

DAY = date(2026, 11, 1)
TYPED = "5105105105105100"  # a published test number, typed into free text
DIGITS = re.compile(rb"(?<![0-9.])[0-9]{13,19}(?![0-9])")
# The day's files with full card numbers, and chargebacks.
SUBMITTED = (
    "transactions/transactions-1.csv",
    "transactions/transactions-3.parquet",
    "transactions/transactions-4-late.csv.gz",
    "chargebacks/chargebacks-1.csv",
)
# PostgreSQL's own files are examined through SQL; raw files are expected to have card numbers.
NOT_READ = ("postgres", "raw")


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home_with_card_companies() as console:
        yield console


@pytest.fixture(scope="module")
def numbers(console: Console) -> set[bytes]:
    """Submit a day through the command; every full card number in its files."""
    day = console.home.parent / "day"
    generate(250, 7, DAY, day)
    typed = "transaction_id,chargeback_amount,dispute_date,currency,card_network,card_number"
    typed += ",merchant_name,chargeback_reason\n"
    typed += f"leak-1,5.00,2026-03-01,USD,visa,{TYPED},Shop {TYPED},card {TYPED} was stolen\n"
    typed += f"leak-2,-5.00,2026-03-01,USD,visa,{TYPED},Shop,4111 1111 1111 1111 was stolen\n"
    files = [day / path for path in SUBMITTED]
    files.append(write(day / "chargebacks" / "typed.csv", typed))
    files.append(write(day / "chargebacks" / "headless.csv", f"leak-3,5.00,{TYPED}\n"))
    for file in files:
        done = console.run("submit", str(file), "--kind", file.parent.name, "--json")
        (console.home / "logs").mkdir(exist_ok=True)
        (console.home / "logs" / f"{file.name}.log").write_text(done.stdout + done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
    found = {number for file in files for number in full_numbers(content_of(file))}
    assert len(found) > 20, "the day has too few full card numbers to prove anything"
    return found | {TYPED.encode(), b"4111111111111111"}


def content_of(path: Path) -> bytes:
    """Text, uncompressed; Parquet as its rows."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".parquet":
        return json.dumps(pl.read_parquet(path).to_dicts(), default=str).encode()
    return path.read_bytes()


def full_numbers(content: bytes) -> set[bytes]:
    """Runs of 13 to 19 digits with a correct check digit that begin like a payment card."""
    return {
        run
        for run in DIGITS.findall(content)
        if run[:1] in b"3456" and passes_luhn(run.decode()) and len(set(run)) > 2
    }


def stored_files(console: Console) -> list[Path]:
    return [
        path
        for path in sorted(console.home.rglob("*"))
        if path.is_file() and path.relative_to(console.home).parts[0] not in NOT_READ
    ]


def database_texts(console: Console) -> dict[str, bytes]:
    """Every table of both databases as text."""
    server = EmbeddedServer(console.home)
    server.join()
    texts = {}
    for name in ("cardops", "dagster"):
        with connect(server.url(name)) as session:
            tables = session.execute(
                "select format('%I.%I', schemaname, tablename) from pg_tables"
                " where schemaname not in ('pg_catalog', 'information_schema')"
            ).fetchall()
            for (table,) in tables:
                with session.cursor().copy(f"copy {table} to stdout") as copy:
                    texts[f"{name}.{table}"] = b"".join(bytes(part) for part in copy)
    server.leave()
    return texts


def leaks(contents: dict[str, bytes], numbers: set[bytes]) -> dict[str, list[bytes]]:
    found = {
        name: [
            number for number in numbers if number in re.sub(rb"(?<=[0-9])[ -](?=[0-9])", b"", text)
        ]
        for name, text in contents.items()
    }
    return {name: leaked for name, leaked in found.items() if leaked}


def test_no_file_outside_raw_contains_a_card_number(console: Console, numbers: set[bytes]) -> None:
    contents = {
        str(path.relative_to(console.home)): content_of(path) for path in stored_files(console)
    }

    tops = {name.partition("/")[0] for name in contents}
    assert tops >= {"failed", "lake", "processed", "logs", "dagster", "card_companies"}
    assert leaks(contents, numbers) == {}


def test_no_table_contains_a_card_number(console: Console, numbers: set[bytes]) -> None:
    texts = database_texts(console)

    assert len(texts["dagster.public.event_logs"]) > 10_000
    assert leaks(texts, numbers) == {}


def test_no_file_or_table_outside_the_secrets_contains_a_secret(
    console: Console, numbers: set[bytes]
) -> None:
    stored = json.loads((console.home / "secrets.json").read_text())
    secrets = {
        str(secret["password"]).encode() for secret in stored.values() if "password" in secret
    }
    server = EmbeddedServer(console.home)
    server.join()
    secrets.add(server.url("cardops").partition("@")[0].rpartition(":")[2].encode())
    server.leave()
    assert len(secrets) == 6, "five card companies, and the database"
    contents = {
        str(path.relative_to(console.home)): content_of(path)
        for path in stored_files(console)
        if path.name != "secrets.json" and path.suffix != ".password"
    }

    assert leaks({**contents, **database_texts(console)}, secrets) == {}
    assert numbers
