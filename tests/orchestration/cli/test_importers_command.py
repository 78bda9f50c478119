"""`cardops importers` and `cardops program routes`: what a report would become, and who may take it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories.console import Console, a_home
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import csv_file
from tests.factories.samples import write

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

REPORTS = Path(__file__).parents[2] / "fixtures" / "dispute_reports"


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        console.run("program", "create", "acme")
        yield console


def test_exit_code_of_a_check_says_what_would_become_of_the_file(console: Console) -> None:
    refused = write(console.home.parent / "refused.csv", "a,b\n1,2\n")
    checks = [
        console.run("importers", "check", str(path), "--json")
        for path in (REPORTS / "stripe.csv", REPORTS / "jpmorgan-details.csv", refused)
    ]

    responses = [json.loads(check.stdout) for check in checks]
    assert [check.returncode for check in checks] == [0, 1, 2]
    assert [response["importer"] for response in responses] == ["stripe", "jpmorgan-details", None]
    assert (responses[0]["read"], responses[0]["accepted"]) == (7, 7)
    assert responses[0]["rows"][0]["transaction_id"] == "ch_1"
    assert responses[1]["reasons"] == {"unroutable_network": 2}
    assert "nothing was ingested" in responses[2]["error"]
    assert "let `cardops mapping try FILE --kind chargebacks` propose" in responses[2]["error"]
    assert console.response("importers", "list")["data"][0]["name"] == "jpmorgan-details-v1"


def test_contract_route_is_set_shown_and_used_by_a_check(console: Console) -> None:
    report = write(
        console.home.parent / "jcb.csv", csv_file(CHARGEBACKS, DISPUTED.replace("visa", "JCB"))
    )
    check = ("importers", "check", str(report), "--program", "acme", "--json")
    before = json.loads(console.run(*check).stdout)

    routed = console.response("program", "routes", "acme", "--route", "jcb=discover")
    after = json.loads(console.run(*check).stdout)
    wrong = console.run("program", "routes", "acme", "--route", "visa=amex")

    assert (before["reasons"], after["reasons"]) == ({"unroutable_network": 1}, {})
    assert after["rows"][0]["network"] == "discover"
    assert routed == {"program": "acme", "routes": {"jcb": "discover"}}
    assert (wrong.returncode, "visa goes to visa" in wrong.stderr) == (2, True)


def test_processors_clock_is_set_shown_and_ended(console: Console) -> None:
    clock = ("program", "clocks", "acme", "--clock")

    shown = console.response(*clock, "visa/chargeback=18")
    wrong = console.run(*clock, "visa/won=3")
    ended = console.response(*clock, "visa/chargeback=")

    assert shown == {"program": "acme", "clocks": {"visa/chargeback": 18}}
    assert (wrong.returncode, "visa/won" in wrong.stderr) == (2, True)
    assert ended == {"program": "acme", "clocks": {}}
