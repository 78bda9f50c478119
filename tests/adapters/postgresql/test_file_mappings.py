"""FileMappings on the fake and on PostgreSQL, and the version that a claimed file keeps."""

from threading import Thread

import pytest

from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.mappings.mappings import PostgresFileMappings
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.ports import FileMappings, IntakeLedger
from cardops.rules.intake.arrivals import released_key
from cardops.rules.intake.files import FileOutcome
from cardops.rules.mappings.mapping import FileMapping, mapping_of
from cardops.rules.mappings.versions import MappingMissingError
from cardops.rules.programs.programs import Program
from tests.factories.intake import A_DAY, DEPOSITS, an_arrival
from tests.fakes.intake_ledger import FakeIntakeLedger

SEMICOLONS = FileMapping(delimiter=";")
PIPES = mapping_of({"delimiter": "|", "decimal": ",", "date_formats": ["%d.%m.%Y"]})


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def stores(request: pytest.FixtureRequest) -> tuple[FileMappings, IntakeLedger]:
    if request.param == "fake":
        ledger = FakeIntakeLedger()
        return ledger.mappings, ledger
    url = request.getfixturevalue("database_url")
    PostgresPrograms(url).create(Program("default"))
    PostgresPrograms(url).create(Program("acme"))
    return PostgresFileMappings(url), PostgresIntakeLedger(url)


def test_each_mapping_is_a_version_with_its_requester_and_reason(
    stores: tuple[FileMappings, IntakeLedger],
) -> None:
    mappings, _ = stores
    first = mappings.add("default", DEPOSITS, SEMICOLONS, set_by="ann", why="bank A")
    second = mappings.add("default", DEPOSITS, PIPES, set_by="bob", why="bank A changed")
    other = mappings.add("acme", DEPOSITS, PIPES, set_by="bob", why="theirs")

    assert (first.version, second.version, other.version) == (1, 2, 1)
    assert (second.set_by, second.why, second.mapping) == ("bob", "bank A changed", PIPES)
    assert mappings.find("default", DEPOSITS) == second
    assert mappings.find("default", DEPOSITS, 1) == first
    assert mappings.versions() == [other, first, second]
    assert mappings.versions("default", DEPOSITS) == [first, second]


def test_same_mapping_again_adds_no_version(stores: tuple[FileMappings, IntakeLedger]) -> None:
    mappings, _ = stores
    first = mappings.add("default", DEPOSITS, SEMICOLONS, set_by="ann", why="bank A")

    assert mappings.add("default", DEPOSITS, SEMICOLONS, set_by="bob", why="again") == first
    assert mappings.versions() == [first]


def test_missing_mapping_is_explained(stores: tuple[FileMappings, IntakeLedger]) -> None:
    mappings, _ = stores
    with pytest.raises(MappingMissingError, match="has no mapping of deposits"):
        mappings.find("default", DEPOSITS)
    mappings.add("default", DEPOSITS, SEMICOLONS, set_by="ann", why="bank A")
    with pytest.raises(MappingMissingError, match="no version 7"):
        mappings.find("default", DEPOSITS, 7)


def test_file_keeps_the_mapping_that_was_in_force_at_its_claim(
    stores: tuple[FileMappings, IntakeLedger],
) -> None:
    mappings, ledger = stores
    before, _ = ledger.claim(an_arrival("incoming/deposits/1.csv"), A_DAY)
    mappings.add("default", DEPOSITS, SEMICOLONS, set_by="ann", why="bank A")
    between, _ = ledger.claim(an_arrival("incoming/deposits/2.csv"), A_DAY)
    mappings.add("default", DEPOSITS, PIPES, set_by="ann", why="bank A")
    after, _ = ledger.claim(an_arrival("incoming/deposits/3.csv"), A_DAY)
    released, _ = ledger.claim(an_arrival(released_key(between, "a" * 12, "csv")), A_DAY)
    theirs, _ = ledger.claim(an_arrival("incoming/deposits/4.csv", program="acme"), A_DAY)

    found = [ledger.mapping_of(file) for file in (before, between, after, released, theirs)]
    assert found == [None, SEMICOLONS, PIPES, SEMICOLONS, None]
    ledger.reinstate(between.intake_id)
    assert ledger.mapping_of(ledger.find(between.intake_id)) == SEMICOLONS


def test_strict_mapping_is_none(stores: tuple[FileMappings, IntakeLedger]) -> None:
    mappings, ledger = stores
    mappings.add("default", DEPOSITS, SEMICOLONS, set_by="ann", why="bank A")
    mappings.add("default", DEPOSITS, FileMapping(), set_by="ann", why="as the contract says")
    file, _ = ledger.claim(an_arrival(), A_DAY)

    assert (file.mapping_version, ledger.mapping_of(file)) == (2, None)


def test_refused_file_is_read_with_the_mapping_set_since(
    stores: tuple[FileMappings, IntakeLedger],
) -> None:
    mappings, ledger = stores
    refused, _ = ledger.claim(an_arrival("incoming/deposits/1.csv"), A_DAY)
    applied, _ = ledger.claim(an_arrival("incoming/deposits/2.csv"), A_DAY)
    ledger.begin(refused.intake_id)
    ledger.finish(refused.intake_id, FileOutcome(error="no column user_id"))
    ledger.begin(applied.intake_id)
    ledger.finish(applied.intake_id, FileOutcome())
    mappings.add("default", DEPOSITS, SEMICOLONS, set_by="ann", why="bank A")

    for file in (refused, applied):
        ledger.restart(file.intake_id)

    assert ledger.mapping_of(ledger.find(refused.intake_id)) == SEMICOLONS
    assert ledger.mapping_of(ledger.find(applied.intake_id)) is None


@pytest.mark.database
def test_two_people_at_once_add_two_versions(database_url: str) -> None:
    PostgresPrograms(database_url).create(Program("default"))
    mappings = PostgresFileMappings(database_url)

    def add(delimiter: str) -> None:
        mappings.add(
            "default", DEPOSITS, FileMapping(delimiter=delimiter), set_by="ann", why="race"
        )

    threads = [Thread(target=add, args=(sign,)) for sign in ";|#&"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [stored.version for stored in mappings.versions()] == [1, 2, 3, 4]
