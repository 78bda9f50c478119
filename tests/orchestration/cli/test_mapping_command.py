"""`cardops mapping`: a mapping is tried, stored with who and why, shown and listed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories.console import Console, a_home
from tests.factories.samples import write

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

GERMAN: dict[str, Any] = {
    "delimiter": ";",
    "decimal": ",",
    "columns": {"Kunde": "user_id", "Betrag": "amount", "Beleg": "deposit_id", "Zeit": "timestamp"},
    "constants": {"currency": "EUR"},
    "date_formats": ["%d.%m.%Y %H:%M"],
    "time_zone": "Europe/Berlin",
}
FILE = """\
Kunde;Betrag;Beleg;Zeit
u1;12,50;d1;20.11.2026 10:00
u2;12.50;d2;20.11.2026 10:00
"""


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        console.run("program", "create", "acme")
        yield console


@pytest.fixture(scope="module")
def file(console: Console) -> Path:
    return write(console.home.parent / "umsatz.csv", FILE)


def test_mapping_is_tried_stored_with_its_reason_and_listed(console: Console, file: Path) -> None:
    mapping = write(console.home.parent / "german.json", json.dumps(GERMAN))
    of_deposits = ("--kind", "deposits", "--program", "acme", "--json")

    tried = console.run("mapping", "try", str(file), *of_deposits, "--mapping", str(mapping))
    stored = console.run(
        "mapping", "set", str(mapping), *of_deposits, "--by", "ann", "--why", "bank A"
    )
    again = console.run("mapping", "try", str(file), *of_deposits)
    shown = console.response("mapping", "show", "--kind", "deposits", "--program", "acme")
    listed = console.response("mapping", "list")

    assert (tried.returncode, again.returncode, stored.returncode) == (1, 1, 0)
    response = json.loads(again.stdout)
    assert response["mapping"] == {"source": "stored", "version": 1, "definition": GERMAN}
    assert {**response, "mapping": None} == {**json.loads(tried.stdout), "mapping": None}
    assert (response["read"], response["accepted"], response["quarantined"]) == (2, 1, 1)
    assert response["reasons"] == {"invalid_amount": 1}
    assert response["rows"][0]["values"]["amount_minor"] == 1250
    assert response["rows"][1]["raw"] == "u2;12.50;d2;20.11.2026 10:00"
    assert shown == json.loads(stored.stdout)
    assert (shown["set_by"], shown["why"], shown["definition"]) == ("ann", "bank A", GERMAN)
    assert listed["data"] == [shown]


def test_unknown_file_is_tried_with_a_proposal(console: Console, file: Path) -> None:
    result = console.run("mapping", "try", str(file), "--kind", "deposits", "--json")

    response = json.loads(result.stdout)
    assert response["mapping"]["source"] == "proposed"
    assert response["mapping"]["definition"]["columns"]["Betrag"] == "amount"
    assert any("12.50" in question or "form" in question for question in response["questions"])
    assert console.response("mapping", "list", "--program", "default") == {"data": []}


def test_unusable_mapping_is_one_sentence_and_stores_nothing(console: Console, file: Path) -> None:
    both = write(console.home.parent / "both.toml", 'decimal = ","\nthousands = ","\n')
    nested = [
        write(console.home.parent / f"deep.{form}", begin + "[" * 100_000)
        for form, begin in (("json", '{"columns": '), ("toml", "columns = "))
    ]

    for arguments in (
        ["set", str(both), "--kind", "orders", "--why", "x"],
        ["set", str(file), "--kind", "orders", "--why", "x"],
        ["try", str(file), "--kind", "orders", "--mapping", str(both)],
        ["show", "--kind", "orders"],
        *(["set", str(deep), "--kind", "orders", "--why", "x"] for deep in nested),
    ):
        result = console.run("mapping", *arguments)
        assert result.returncode == 2
        assert len(result.stderr.strip().splitlines()) == 1
    assert console.response("mapping", "list", "--kind", "orders") == {"data": []}
