"""Which commands change something, and their entries in the audit trail.

Belongs here: the action and the subject of each command. A command writes no entry itself: `main` wraps
those of this table, so that a change cannot be made without one. A test knows every command by name.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer

from cardops.ports import AuditTrail
from cardops.rules.audit import AuditEntry, AuditResult, Origin
from cardops.rules.errors import ExplainedError
from orchestration.account import whoami
from orchestration.cli.output import DONE, DONE_WITH_FINDINGS, say


@dataclass(frozen=True, slots=True)
class Change:
    """What a command changes: its action, and the parameters that name what is changed.

    With `only_with` it changes something only where one of these is given, and shows it otherwise.
    """

    action: str
    subject: tuple[str, ...] = ()
    only_with: tuple[str, ...] = ()


_LIMITS: Final = (
    *("per_authorization", "day", "day_count", "month", "month_count", "window", "window_amount"),
    *("window_count", "remove"),
)
_CONTROLS: Final = (
    *("control", "cap", "daily_cap", "two_approvers", "no_cap", "signature", "wait"),
)
_CASE: Final = ("case", "program", "network")
CHANGES: Final[Mapping[str, Change]] = {
    "submit": Change("submit file", ("file", "kind", "program")),
    "mapping set": Change("set mapping", ("program", "kind")),
    "program controls": Change("set source controls", ("name",), _CONTROLS),
    "program add-sender-key": Change("add sender key", ("name", "key_id")),
    "program revoke-sender-key": Change("revoke sender key", ("name", "key_id")),
    "program dispute-checks": Change("set dispute checks", ("name", "check"), ("check",)),
    "program provisional": Change(
        "set provisional policy",
        ("name", "policy"),
        ("policy", "since", "credit_days", "notice_days", "withhold"),
    ),
    "program create": Change("create program", ("name",)),
    "program rotate-secret": Change("rotate callback secret", ("name",)),
    "program routes": Change("set network routes", ("name", "route"), ("route",)),
    "program clocks": Change("set response days", ("name", "clock"), ("clock",)),
    "program limits": Change("set limits", ("name",), _LIMITS),
    "program safeguarding": Change(
        "set safeguarding accounts", ("name", "add", "remove"), ("add", "remove")
    ),
    "key create": Change("create key", ("program", "name")),
    "key revoke": Change("revoke key", ("key",)),
    "user block": Change("block user", ("user_id", "program")),
    "user unblock": Change("unblock user", ("user_id", "program")),
    "user limits": Change("set limits", ("user_id", "program"), _LIMITS),
    "deposits approve": Change("approve held file", ("file", "program")),
    "deposits reject": Change("reject held file", ("file", "program")),
    "deposits recall": Change("recall deposits", ("file", "program")),
    "deposits reinstate": Change("reinstate deposits", ("file", "program")),
    "calendar add": Change("expect file", ("name", "kind", "program")),
    "calendar remove": Change("expect file no longer", ("name", "program")),
    "calendar waive": Change("waive expected file", ("name", "on", "program")),
    "quarantine release": Change("release quarantined rows", ("intake_id", "row")),
    "callbacks replay": Change(
        "replay callbacks", ("callback_id", "program", "endpoint", "status", "since", "until")
    ),
    "callbacks enable": Change("enable callback endpoint", ("endpoint", "program")),
    "callbacks archive": Change("archive callbacks", ("business_date",)),
    "disputes assign": Change("assign dispute", _CASE),
    "disputes note": Change("note on dispute", _CASE),
    "disputes alarms": Change("raise deadline alarms"),
    "disputes acceptances": Change("send acceptances"),
    "disputes accept": Change("accept dispute", _CASE),
    "disputes close": Change("close dispute", _CASE),
    "disputes reopen": Change("reopen dispute", _CASE),
    "disputes evidence add": Change("add evidence", (*_CASE, "item")),
    "disputes evidence remove": Change("remove evidence", (*_CASE, "item")),
    "disputes evidence send": Change("send evidence", ("cases", "program", "network")),
    "destinations add": Change("set up destination", ("name", "host")),
    "destinations test": Change("test destination", ("name",)),
    "deliveries release": Change("release held dispute", _CASE),
    "deliveries acknowledgements": Change("poll acknowledgements", ("destination",), ("poll",)),
    "deliveries retry": Change("retry delivery", ("batch", "network")),
    "deliveries layout set": Change("set file layout", ("destination", "program")),
    "provisional approve": Change("approve provisional credit", _CASE),
    "provisional reject": Change("reject provisional credit", _CASE),
    "provisional defer": Change("defer provisional credit", _CASE),
    "provisional post": Change("post provisional credits", ("program",)),
    "provisional notice": Change("record notice", (*_CASE, "kind")),
    "alarms ack": Change("acknowledge alarm", ("numbers",)),
    "alarms resolve": Change("resolve alarm", ("number",)),
    "alarms channels": Change("test alarm channels", (), ("test",)),
    "alarms set-channel": Change("set alarm channel", ("name",)),
    "reconcile": Change("reconcile", ("business_date",)),
    "report": Change("build daily report", ("business_date",)),
}
Trail = Callable[[], AuditTrail]


def audit(command: Any, name: str, trail: Trail) -> None:
    """Wrap the commands below this one that are in the table."""
    for path, found in leaves(command, name):
        change = CHANGES.get(path)
        if change is not None:
            found.callback = _audited(found.callback, change, trail)


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its words."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path, command
        return
    for name, subcommand in subcommands.items():
        yield from leaves(subcommand, f"{path} {name}")


def entry_of(change: Change, given: Mapping[str, Any]) -> AuditEntry | None:
    """The entry of a command called so; None where it changes nothing."""
    if change.only_with and not any(given.get(name) for name in change.only_with):
        return None
    # `--by` says who asked for it; who typed it is said as well.
    actor = str(given.get("by") or "").strip() or whoami()
    words = [f"{name} {_word(given[name])}" for name in change.subject if given.get(name)]
    return AuditEntry(Origin.COMMAND, actor, whoami(), change.action, ", ".join(words))


def _audited(callback: Callable[..., Any], change: Change, trail: Trail) -> Callable[..., Any]:
    @functools.wraps(callback)
    def call(**given: Any) -> Any:
        entry = entry_of(change, given)
        if entry is None:
            return callback(**given)
        kept = trail()
        entry_id = kept.begin(entry)
        result, detail = AuditResult.FAILED, ""
        try:
            returned = callback(**given)
            result = AuditResult.DONE
        except BaseException as error:
            result, detail = _became(error)
            raise
        finally:
            _finish(kept, entry_id, result, detail)
        return returned

    return call


def _became(error: BaseException) -> tuple[AuditResult, str]:
    if isinstance(error, typer.Exit):
        if error.exit_code in {DONE, DONE_WITH_FINDINGS}:
            return AuditResult.DONE, f"exit code {error.exit_code}" if error.exit_code else ""
        return AuditResult.REFUSED, f"exit code {error.exit_code}"
    if isinstance(error, ExplainedError) or hasattr(error, "format_message"):
        return AuditResult.REFUSED, str(error)
    return AuditResult.FAILED, type(error).__name__


def _finish(trail: AuditTrail, entry_id: int, result: AuditResult, detail: str) -> None:
    """What was done stays done: an entry without result says that it is not known what became of it."""
    try:
        trail.finish(entry_id, result, detail)
    except Exception as error:  # noqa: BLE001 - the change itself must not be reported as failed
        # Of a change that failed, its own error is said; the reason is likely the same.
        if result is AuditResult.DONE:
            say(f"It was done, but audit entry {entry_id} could not be told so: {error}")


def _word(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
