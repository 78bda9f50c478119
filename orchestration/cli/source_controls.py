"""Commands of `cardops program` about what a program demands of its deposit files.

Belongs here: policy, caps and senders' keys. Held files are in `cardops deposits`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.control_files import ControlPolicy
from cardops.rules.intake.source_controls import SenderKey, SourcePolicy
from cardops.rules.money import AmountProblem, format_amount, parse_amount
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.limit_options import whoami
from orchestration.cli.output import CommandError, JsonOption, print_json, say

MAX_WAIT_MINUTES = 7 * 24 * 60
Name = Annotated[str, typer.Argument(help="Name of the program.")]
KeyId = Annotated[str, typer.Argument(help="Id of the sender's key, such as bank-2026.")]
ByOption = Annotated[
    str | None, typer.Option(help="Who requested it; by default you, on this machine.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `cardops program`."""
    app.command("controls")(controls)
    app.command("add-sender-key")(add_sender_key)
    app.command("revoke-sender-key")(revoke_sender_key)
    app.command("sender-keys")(sender_keys)


def controls(  # noqa: PLR0913 - one parameter an option
    name: Name,
    *,
    control: Annotated[
        ControlPolicy | None,
        typer.Option(help="Whether each deposit file must have a control file, or a signed one."),
    ] = None,
    cap: Annotated[
        list[str] | None,
        typer.Option(help="Above this sum a file waits for approval, as USD=10000.00; repeatable."),
    ] = None,
    no_cap: Annotated[
        list[str] | None, typer.Option(help="Remove the cap of this currency; repeatable.")
    ] = None,
    wait: Annotated[
        int | None, typer.Option(help="Minutes that a file may wait for its control file.")
    ] = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show or change what the program demands of its deposit files; every change is recorded."""
    adapters = Adapters(Settings.load())
    administration(adapters).find(name)
    policy = adapters.source_controls.policy(name)
    changed = _changed(policy, control, cap or (), no_cap or (), wait)
    if changed != policy:
        adapters.source_controls.set_policy(name, changed, by or whoami())
    changes = adapters.source_controls.policy_changes(name)
    if json_output:
        current = described(changes[-1] if changes else policy)
        print_json({"program": name, **current, "changes": [described(p) for p in changes]})
        return
    for each in changes or [policy]:
        when = f"{each.changed_at:%Y-%m-%d %H:%M} by {each.changed_by}" if each.changed_at else ""
        typer.echo(f"{_line(each)}  {when}")


def add_sender_key(
    name: Name,
    key_id: KeyId,
    *,
    public_key: Annotated[Path, typer.Option(help="The Ed25519 public key, a PEM file.")],
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Register a key by which a sender signs control files; several may be valid at once."""
    from cardops.services.intake.signatures import public_key_of  # noqa: PLC0415 - OpenSSL

    if not public_key.is_file():
        raise CommandError(f"There is no file {public_key}; check the path.")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", key_id):
        raise CommandError("KEY_ID may have 1 to 64 letters, digits, dots, hyphens, underscores.")
    key = SenderKey(name, key_id, public_key_of(public_key.read_bytes()), by or whoami())
    adapters = Adapters(Settings.load())
    administration(adapters).find(name)
    if not adapters.source_controls.add_key(key):
        raise CommandError(f"Program {name} has, or had, a key {key_id}; choose another id.")
    _print_key(name, key_id, "registered", json_output=json_output)


def revoke_sender_key(
    name: Name, key_id: KeyId, *, by: ByOption = None, json_output: JsonOption = False
) -> None:
    """Revoke a sender's key: files that it signed are refused from now on."""
    source_controls = Adapters(Settings.load()).source_controls
    if not source_controls.revoke_key(name, key_id, by or whoami()):
        raise CommandError(
            f"Program {name} has no key {key_id}; `cardops program sender-keys {name}` lists them."
        )
    _print_key(name, key_id, "revoked", json_output=json_output)


def sender_keys(name: Name, *, json_output: JsonOption = False) -> None:
    """List the keys of a program's senders, revoked ones too."""
    keys = Adapters(Settings.load()).source_controls.keys(name)
    if json_output:
        print_json({"data": [_described_key(key) for key in keys]})
        return
    for key in keys:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "valid"
        typer.echo(f"{key.key_id}  {state}  {key.public_key.hex()}")


def described(policy: SourcePolicy) -> Mapping[str, Any]:
    """A policy for `--json`; caps in minor units."""
    return {
        "control": policy.control.value,
        "caps": dict(policy.caps_minor),
        "wait_minutes": policy.wait_minutes,
        "changed_by": policy.changed_by or None,
        "changed_at": policy.changed_at,
    }


def _changed(
    policy: SourcePolicy,
    control: ControlPolicy | None,
    caps: Sequence[str],
    without: Sequence[str],
    wait: int | None,
) -> SourcePolicy:
    if wait is not None and not 0 <= wait <= MAX_WAIT_MINUTES:
        raise CommandError(f"--wait must be 0 to {MAX_WAIT_MINUTES} minutes.")
    kept = {code: minor for code, minor in policy.caps_minor.items() if code not in without}
    return replace(
        policy,
        control=control or policy.control,
        wait_minutes=policy.wait_minutes if wait is None else wait,
        caps_minor=dict(sorted({**kept, **dict(map(_cap, caps))}.items())),
    )


def _cap(text: str) -> tuple[str, int]:
    """`USD=10000.00` -> its minor units. Raises CommandError."""
    currency, _, amount = text.partition("=")
    minor = parse_amount(amount, currency) if currency in EXPONENTS else None
    if minor is None or isinstance(minor, AmountProblem):
        raise CommandError(f"--cap {text!r} is no currency and amount; write it as USD=10000.00.")
    return currency, minor


def _line(policy: SourcePolicy) -> str:
    caps = ", ".join(
        f"{format_amount(minor, code)} {code}" for code, minor in policy.caps_minor.items()
    )
    return f"control file: {policy.control}; approval above: {caps or 'no cap'}"


def _print_key(name: str, key_id: str, state: str, *, json_output: bool) -> None:
    if json_output:
        print_json({"program": name, "key_id": key_id, "state": state})
    else:
        say(f"Key {key_id} of {name} was {state}.")


def _described_key(key: SenderKey) -> Mapping[str, Any]:
    return {
        "key_id": key.key_id,
        "public_key": key.public_key.hex(),
        "added_by": key.added_by,
        "added_at": key.added_at,
        "revoked_at": key.revoked_at,
    }
