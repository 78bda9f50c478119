"""Programs and API keys on the fake and on PostgreSQL."""

import pytest

from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.ports import Programs
from cardops.rules.programs.api_keys import (
    Scope,
    key_name_problem,
    named_key_id,
    parse_bearer,
    scope_problem,
)
from cardops.rules.programs.programs import Program, host_problem, program_problem
from cardops.services.programs.administration import InvalidProgramError, ProgramAdministration
from tests.fakes.clock import FakeClock
from tests.fakes.programs import FakePrograms
from tests.fakes.secrets import FakeSecretStore


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def programs(request: pytest.FixtureRequest) -> Programs:
    if request.param == "fake":
        return FakePrograms()
    return PostgresPrograms(request.getfixturevalue("database_url"))


def test_existing_program_is_not_changed(programs: Programs) -> None:
    hosts = ("a.example.com", "b.example.com")

    assert programs.create(Program("acme", "EUR", "size_balanced", hosts))
    assert not programs.create(Program("acme", "USD"))

    found = programs.find("acme")
    assert found is not None
    assert (found.currency, found.chargeback_mode) == ("EUR", "size_balanced")
    assert found.callback_hosts == hosts
    assert programs.find("nobody") is None
    assert "acme" in [program.program for program in programs.all()]


def test_key_is_listed_without_its_secret(programs: Programs) -> None:
    programs.create(Program("acme"))
    created = programs.create_key("acme", "shop", [Scope.AUTHORIZATIONS_READ], is_test=True)
    presented = parse_bearer(f"Bearer {created.key}")

    (listed,) = programs.keys("acme")

    assert presented is not None
    assert (presented.key_id, presented.is_test) == (created.key_id, True)
    assert (listed.key_id, listed.name, listed.scopes) == (
        created.key_id,
        "shop",
        ("authorizations:read",),
    )
    assert presented.secret not in repr(listed) + repr(created)


def test_key_keeps_its_first_revocation(programs: Programs) -> None:
    programs.create(Program("acme"))
    created = programs.create_key("acme", "shop", [Scope.AUTHORIZATIONS_READ], is_test=False)

    assert programs.revoke_key(created.key_id)
    (first,) = programs.keys("acme")
    assert programs.revoke_key(created.key_id)

    assert first.revoked_at is not None
    assert programs.keys("acme") == [first]
    assert not programs.revoke_key("nothing")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "a", "A.example.com", "a.b:1", "[::1]"])
def test_invalid_callback_host_is_refused(host: str) -> None:
    assert host_problem(host)


@pytest.mark.parametrize("name", ["", "Acme", "a b", "a/b", "a" * 33, "ä"])
def test_invalid_program_name_is_refused(name: str) -> None:
    assert program_problem(name)
    assert program_problem("acme-2") is None


@pytest.mark.parametrize(
    "name", ["", " ", "a\nb", "a\0", "\x1b[31m", "\u202ea", "\udcff", "a" * 101]
)
def test_invalid_key_name_is_refused(name: str) -> None:
    assert key_name_problem(name)
    assert key_name_problem("Käthe's shop, 2nd till") is None


def test_key_is_named_by_its_id_or_full_text() -> None:
    full_key = f"cpk_live_abc123_{'s' * 40}"

    assert [named_key_id(text) for text in ("abc123", full_key)] == ["abc123", "abc123"]
    assert {named_key_id(text) for text in ("", full_key[:-41], f"{full_key} ", "a b", "a\n")} == {
        None
    }


@pytest.mark.parametrize("text", ["x" * 10_000, "\x1b[31m", "\u202e", "a\nb", "\udcff"])
def test_refused_text_is_escaped_and_shortened(text: str) -> None:
    for message in (program_problem(text), host_problem(text), scope_problem((text,))):
        assert message
        assert message.isprintable()
        assert len(message) < 300


def test_last_change_of_a_network_route_is_in_force(programs: Programs) -> None:
    programs.create(Program("acme"))
    programs.create(Program("other"))
    changes = (("jcb", "discover"), ("unionpay", "discover"), ("jcb", "visa"), ("unionpay", None))

    for scheme, network in changes:
        programs.set_network_route("acme", scheme, network, set_by="somebody")

    found = {program.program: program.network_routes for program in programs.all()}
    assert (found["acme"], found["other"]) == ({"jcb": "visa"}, {})


def test_last_change_of_a_dispute_clock_is_in_force(programs: Programs) -> None:
    programs.create(Program("acme"))
    programs.create(Program("other"))

    for network, days in (("visa", 18), ("amex", 14), ("visa", 20), ("amex", None)):
        programs.set_response_days("acme", network, "chargeback", days, set_by="somebody")

    found = {program.program: program.response_days for program in programs.all()}
    assert (found["acme"], found["other"]) == ({"visa/chargeback": 20}, {})


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        ({"jcb": "discover", "visa": "amex"}, "visa goes to visa"),
        ({"jcb": "jcb"}, "no card company"),
        ({"moon": "visa"}, "no card scheme"),
    ],
)
def test_impossible_network_route_changes_nothing(routes: dict[str, str], problem: str) -> None:
    programs = FakePrograms()
    administration = ProgramAdministration(programs, FakeSecretStore(), FakeClock())

    with pytest.raises(InvalidProgramError, match=problem):
        administration.set_network_routes("default", routes, "somebody")

    assert programs.programs["default"].network_routes == {}
