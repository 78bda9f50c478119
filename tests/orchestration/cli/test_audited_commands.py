"""Commands that change something leave an entry, and none is forgotten."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import typer

from cardops.rules.audit import AuditResult, AuditUnavailableError, Origin
from orchestration.cli.audited import CHANGES, audit, leaves
from orchestration.cli.main import COMMANDS, _load
from orchestration.cli.output import CommandError
from tests.factories.console import Console, a_home
from tests.fakes.audit_trail import FakeAuditTrail

# Commands that show something, or write a file where they are told to.
SHOWS = {
    "generate",
    "importers check",
    "importers list",
    "mapping try",
    "mapping show",
    "mapping list",
    "program sender-keys",
    "program list",
    "key list",
    "deposits list",
    "deposits control",
    "calendar list",
    "calendar due",
    "calendar missing",
    "quarantine list",
    "quarantine waiting",
    "contracts list",
    "contracts schema",
    "callbacks list",
    "callbacks show",
    "callbacks endpoints",
    "disputes list",
    "disputes show",
    "disputes evidence show",
    "destinations list",
    "deliveries waiting",
    "deliveries list",
    "deliveries layout show",
    "deliveries layout try",
    "provisional list",
    "alarms list",
    "alarms show",
    "audit list",
    "sql",
    "doctor",
    "version",
}
# Processes that run for weeks, and the demo: what people do through them has entries of its own.
SERVICES = {"demo", "up", "authorizer", "intake", "callbacks run"}
SECRETS = {
    "password_file",
    "private_key",
    "public_key",
    "signing_key",
    "openpgp_key",
    "note",
    "text",
}


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as found:
        yield found


def all_commands() -> dict[str, Any]:
    return {path: leaf for name in COMMANDS for path, leaf in leaves(_load(name), name)}


def a_command(callback: Callable[..., Any], trail: FakeAuditTrail) -> Any:
    """The callback of `user block`, as `main` wraps it."""
    app = typer.Typer()
    app.command("block")(callback)
    app.command("other")(lambda: None)
    group: Any = typer.main.get_group(app)
    audit(group, "user", lambda: trail)
    return group.commands["block"].callback


def test_every_command_changes_something_or_shows_it() -> None:
    assert set(CHANGES) | SHOWS | SERVICES == set(all_commands())
    assert not set(CHANGES) & (SHOWS | SERVICES)


def test_subjects_are_parameters_of_their_commands_and_no_secret() -> None:
    commands = all_commands()
    for path, change in CHANGES.items():
        parameters = {parameter.name for parameter in commands[path].params}
        assert parameters.issuperset((*change.subject, *change.only_with)), path
        assert not SECRETS.intersection(change.subject), path


@pytest.mark.parametrize(
    ("ends", "result"),
    [
        (None, AuditResult.DONE),
        (typer.Exit(1), AuditResult.DONE),
        (typer.Exit(2), AuditResult.REFUSED),
        (CommandError("No such user."), AuditResult.REFUSED),
        (ZeroDivisionError(), AuditResult.FAILED),
        (KeyboardInterrupt(), AuditResult.FAILED),
    ],
)
def test_entry_says_what_became_of_the_change(
    ends: BaseException | None, result: AuditResult
) -> None:
    trail = FakeAuditTrail()

    def block(user_id: str, by: str) -> None:
        # The entry is there before anything is changed.
        assert [record.result for record in trail.records] == [None]
        if ends is not None:
            raise ends

    command = a_command(block, trail)
    with nullcontext() if ends is None else pytest.raises(type(ends)):
        command(user_id="u1", by="ann")

    (record,) = trail.records
    assert (record.entry.actor, record.entry.action) == ("ann", "block user")
    assert (record.entry.origin, record.entry.subject) == (Origin.COMMAND, "user_id u1")
    assert record.result is result


def test_change_that_cannot_be_recorded_is_not_made() -> None:
    made: list[str] = []

    def block(user_id: str) -> None:
        made.append(user_id)

    command = a_command(block, FakeAuditTrail(is_down=True))
    with pytest.raises(AuditUnavailableError, match="Nothing was changed"):
        command(user_id="u1")

    assert made == []


@pytest.mark.database
def test_audit_list_shows_changes_of_commands(console: Console) -> None:
    console.response("user", "block", "u1")
    console.response("user", "limits", "u1")  # shows
    console.response("user", "limits", "u1", "--day", "5")
    console.response("program", "routes", "default", "--route", "jcb=visa", "--by", "ann")
    assert console.run("user", "block", "no id").returncode == 2

    found = console.response("audit", "list")["data"]

    assert [(entry["action"], entry["subject"], entry["result"]) for entry in found] == [
        ("block user", "user_id no id, program default", "refused"),
        ("set network routes", "name default, route jcb=visa", "done"),
        ("set limits", "user_id u1, program default", "done"),
        ("block user", "user_id u1, program default", "done"),
    ]
    assert [entry["actor"] for entry in found[1:3]] == ["ann", found[0]["via"]]
    assert {entry["origin"] for entry in found} == {"command"}
    by_ann = console.response("audit", "list", "--actor", "ann", "--limit", "1")["data"]
    assert by_ann == [found[1]]
    assert console.response("audit", "list", "--since", "2999-01-01")["data"] == []
    assert "ann via " in console.run("audit", "list").stdout
