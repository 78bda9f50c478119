"""What the simulated card companies answer: each pair once, some rows rejected, some late or twice."""

import csv
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cardops.contracts.acknowledgements import read_acknowledgement
from simulation.acknowledgements import (
    acknowledge,
    acknowledge_missing,
    habits_of,
    rejection_of,
    show_late,
)
from simulation.card_companies import NETWORKS, CardCompanies

CASES = [f"case-0a1b2c-{number:06d}" for number in range(100)]
REJECTED = [case for case in CASES if rejection_of("visa", case)]
ACCEPTED = [case for case in CASES if not rejection_of("visa", case)]


@pytest.fixture
def companies(tmp_path: Path) -> CardCompanies:
    for network in NETWORKS:
        for folder in ("inbox", "outbox"):
            (tmp_path / "card_companies" / network / folder).mkdir(parents=True)
    return CardCompanies(tmp_path)


def receive(
    companies: CardCompanies,
    network: str,
    number: int,
    *cases: str,
    changes: Mapping[str, object] | None = None,
) -> Path:
    """The company's folder, after it received a pair."""
    inbox = companies.inbox(network)
    file = inbox / f"CB_{network}_demo_2026-11-20_{number:06d}_v2.csv"
    with file.open("w", newline="") as rows:
        writer = csv.writer(rows, quoting=csv.QUOTE_ALL)
        writer.writerow(("case_number", "stage", "action_sequence", "network"))
        writer.writerows((case, "chargeback", 1, network) for case in cases)
    control = inbox / f"{file.name}.ctl"
    said = {
        "sequence": number,
        "rows": len(cases),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    control.write_text(json.dumps(said | dict(changes or {})))
    acknowledge(inbox.parent, control)
    return inbox.parent


def written(companies: CardCompanies, network: str) -> dict[str, Any]:
    """What a customer sees."""
    return {
        path.name: json.loads(path.read_bytes())
        for path in sorted(companies.outbox(network).iterdir())
        if not path.name.startswith(".")
    }


def test_company_rejects_a_line_once_and_takes_it_when_it_comes_again(
    companies: CardCompanies,
) -> None:
    receive(companies, "visa", 1, ACCEPTED[0], REJECTED[0])
    receive(companies, "visa", 2, REJECTED[0], REJECTED[1])

    first, second = written(companies, "visa").values()
    assert first["rows"] == {"accepted": 1, "rejected": 1}
    assert [line["case_number"] for line in first["rejected"]] == [REJECTED[0]]
    assert [line["case_number"] for line in second["rejected"]] == [REJECTED[1]]
    for said in (first, second):
        read = read_acknowledgement(json.dumps(said).encode())
        assert read.rejected_count == len(read.rejected)


def test_companies_accept_every_case_that_is_not_simulated(companies: CardCompanies) -> None:
    receive(companies, "visa", 1, *(f"c-{number}" for number in range(200)))
    receive(companies, "discover", 1, *REJECTED)

    (visa,), (discover,) = (written(companies, name).values() for name in ("visa", "discover"))
    assert visa["rows"] == {"accepted": 200, "rejected": 0}
    assert discover["rows"] == {"accepted": len(REJECTED), "rejected": 0}


def test_some_companies_acknowledge_twice_and_some_late(companies: CardCompanies) -> None:
    twice = receive(companies, "mastercard", 1, "c1")
    late = receive(companies, "amex", 1, "c1")

    assert habits_of(twice.name).writes_twice
    first, again = written(companies, "mastercard").items()
    assert first[0] != again[0]
    assert first[1] == again[1]
    assert written(companies, "amex") == {}
    show_late(late)
    assert len(written(companies, "amex")) == 1


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"rows": None}, {"sequence": None}])
def test_damaged_pair_is_not_acknowledged(
    companies: CardCompanies, changes: dict[str, object]
) -> None:
    receive(companies, "visa", 1, REJECTED[0])
    receive(companies, "visa", 2, REJECTED[0], changes=changes)
    receive(companies, "visa", 3, REJECTED[1])

    assert len(written(companies, "visa")) == 2


def test_files_from_before_are_acknowledged_at_the_next_start(companies: CardCompanies) -> None:
    for network in ("visa", "amex"):
        company = receive(companies, network, 1, "c1")
        for path in companies.outbox(network).iterdir():
            path.unlink()
        acknowledge_missing(company)
        (before,) = companies.outbox(network).iterdir()
        content = before.read_bytes()

        acknowledge_missing(company)

        (after,) = companies.outbox(network).iterdir()
        assert after.read_bytes() == content
