"""Commands of `cardops program` about what a program demands of its deposit files.

Belongs here: policy, caps and senders' keys. Held files are in `cardops deposits`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.control_files import ControlPolicy, SignatureAlgorithm
from cardops.rules.intake.source_controls import ANY_SIGNATURE, SenderKey, SourcePolicy
from cardops.rules.money import AmountProblem, format_amount, parse_amount
from cardops.settings import Settings
from orchestration.cli.known_programs import administration
from orchestration.cli.output import CommandError, JsonOption, print_json, say
from orchestration.cli.people import person_of

MAX_WAIT_MINUTES = 7 * 24 * 60


class Signature(StrEnum):
    """What `--signature` may be."""

    ANY = "any"
    ED25519 = "ed25519"
    OPENPGP = "openpgp"


_SIGNATURES: Final = {
    Signature.ANY: ANY_SIGNATURE,
    Signature.ED25519: frozenset({SignatureAlgorithm.ED25519}),
    Signature.OPENPGP: frozenset({SignatureAlgorithm.OPENPGP}),
}
Name = Annotated[str, typer.Argument(help="Name of the program.")]
KeyId = Annotated[str, typer.Argument(help="Id of the sender's key, such as bank-2026.")]
ValidOption = Annotated[
    str | None, typer.Option(help="Date or instant (UTC), such as 2026-12-31; by default always.")
]
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
    daily_cap: Annotated[
        list[str] | None,
        typer.Option(
            help="The same for what nobody approved of a business date, all files together."
        ),
    ] = None,
    two_approvers: Annotated[
        list[str] | None,
        typer.Option(help="Above this sum two different persons must approve, as USD=500000.00."),
    ] = None,
    no_cap: Annotated[
        list[str] | None, typer.Option(help="Remove every cap of this currency; repeatable.")
    ] = None,
    signature: Annotated[
        Signature | None, typer.Option(help="Which signatures the program accepts.")
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
    without = frozenset(no_cap or ())
    changed = replace(
        policy,
        control=control or policy.control,
        wait_minutes=policy.wait_minutes if wait is None else _minutes(wait),
        caps_minor=_caps(policy.caps_minor, cap or (), without),
        daily_caps_minor=_caps(policy.daily_caps_minor, daily_cap or (), without),
        two_approvers_minor=_caps(policy.two_approvers_minor, two_approvers or (), without),
        signatures=policy.signatures if signature is None else _SIGNATURES[signature],
    )
    if changed != policy:
        adapters.source_controls.set_policy(name, changed, person_of(by))
    changes = adapters.source_controls.policy_changes(name)
    if json_output:
        current = described(changes[-1] if changes else policy)
        print_json({"program": name, **current, "changes": [described(p) for p in changes]})
        return
    for each in changes or [policy]:
        when = f"{each.changed_at:%Y-%m-%d %H:%M} by {each.changed_by}" if each.changed_at else ""
        typer.echo(f"{_line(each)}  {when}")


def add_sender_key(  # noqa: PLR0913 - one parameter an option
    name: Name,
    key_id: KeyId,
    *,
    public_key: Annotated[
        Path,
        typer.Option(
            help="The Ed25519 public key, a PEM file, or the sender's OpenPGP certificate."
        ),
    ],
    valid_from: ValidOption = None,
    valid_until: ValidOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Register a key by which a sender signs control files; several may be valid at once.

    A key with a validity signs files that were claimed from its beginning until before its end.
    """
    from cardops.services.intake.signatures import key_of  # noqa: PLC0415 - OpenSSL, Sequoia

    if not public_key.is_file():
        raise CommandError(f"There is no file {public_key}; check the path.")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", key_id):
        raise CommandError("KEY_ID may have 1 to 64 letters, digits, dots, hyphens, underscores.")
    begins, ends = _instant(valid_from), _instant(valid_until)
    if begins is not None and ends is not None and begins >= ends:
        raise CommandError(
            "--valid-from is not before --valid-until, so the key would sign nothing."
        )
    adapters = Adapters(Settings.load())
    administration(adapters).find(name)
    algorithm, content = key_of(public_key.read_bytes(), adapters.database_clock.now())
    key = SenderKey(
        name, key_id, content, person_of(by),
        algorithm=algorithm, valid_from=begins, valid_until=ends,
    )  # fmt: skip
    if not adapters.source_controls.add_key(key):
        raise CommandError(f"Program {name} has, or had, a key {key_id}; choose another id.")
    _print_key(name, key_id, "registered", json_output=json_output)


def revoke_sender_key(
    name: Name, key_id: KeyId, *, by: ByOption = None, json_output: JsonOption = False
) -> None:
    """Revoke a sender's key: files that it signed are refused from now on."""
    source_controls = Adapters(Settings.load()).source_controls
    if not source_controls.revoke_key(name, key_id, person_of(by)):
        raise CommandError(
            f"Program {name} has no key {key_id}; `cardops program sender-keys {name}` lists them."
        )
    _print_key(name, key_id, "revoked", json_output=json_output)


def sender_keys(name: Name, *, json_output: JsonOption = False) -> None:
    """List the keys of a program's senders, revoked ones too."""
    from cardops.services.intake.signatures import shown_key  # noqa: PLC0415 - OpenSSL, Sequoia

    keys = Adapters(Settings.load()).source_controls.keys(name)
    if json_output:
        print_json({"data": [_described_key(key, shown_key(key)) for key in keys]})
        return
    for key in keys:
        typer.echo(f"{key.key_id}  {key.algorithm}  {_validity(key)}  {shown_key(key)}")


def described(policy: SourcePolicy) -> Mapping[str, Any]:
    """A policy for `--json`; caps in minor units."""
    return {
        "control": policy.control.value,
        "signatures": sorted(policy.signatures),
        "caps": dict(policy.caps_minor),
        "daily_caps": dict(policy.daily_caps_minor),
        "two_approvers_above": dict(policy.two_approvers_minor),
        "wait_minutes": policy.wait_minutes,
        "changed_by": policy.changed_by or None,
        "changed_at": policy.changed_at,
    }


def _minutes(wait: int) -> int:
    if not 0 <= wait <= MAX_WAIT_MINUTES:
        raise CommandError(f"--wait must be 0 to {MAX_WAIT_MINUTES} minutes.")
    return wait


def _caps(
    before: Mapping[str, int], caps: Sequence[str], without: Collection[str]
) -> Mapping[str, int]:
    kept = {code: minor for code, minor in before.items() if code not in without}
    return dict(sorted({**kept, **dict(map(_cap, caps))}.items()))


def _cap(text: str) -> tuple[str, int]:
    """`USD=10000.00` -> its minor units. Raises CommandError."""
    currency, _, amount = text.partition("=")
    minor = parse_amount(amount, currency) if currency in EXPONENTS else None
    if minor is None or isinstance(minor, AmountProblem):
        raise CommandError(f"{text!r} is no currency and amount; write a cap as USD=10000.00.")
    return currency, minor


def _line(policy: SourcePolicy) -> str:
    parts = [
        f"control file: {policy.control}",
        f"signature: {' or '.join(sorted(policy.signatures))}",
        f"approval above: {_listed(policy.caps_minor)}",
        f"of a date above: {_listed(policy.daily_caps_minor)}",
        f"by two persons above: {_listed(policy.two_approvers_minor)}",
    ]
    return "; ".join(parts)


def _listed(caps: Mapping[str, int]) -> str:
    texts = [f"{format_amount(minor, code)} {code}" for code, minor in caps.items()]
    return ", ".join(texts) or "no cap"


def _print_key(name: str, key_id: str, state: str, *, json_output: bool) -> None:
    if json_output:
        print_json({"program": name, "key_id": key_id, "state": state})
    else:
        say(f"Key {key_id} of {name} was {state}.")


def _validity(key: SenderKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    begins = f" from {key.valid_from:%Y-%m-%d %H:%M}" if key.valid_from else ""
    ends = f" until {key.valid_until:%Y-%m-%d %H:%M}" if key.valid_until else ""
    return f"valid{begins}{ends}"


def _instant(text: str | None) -> datetime | None:
    """`2026-12-31` or `2026-12-31T18:00:00+01:00`; without an offset in UTC. Raises CommandError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is no date or instant; write it as 2026-12-31 or 2026-12-31T18:00:00Z."
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _described_key(key: SenderKey, shown: str) -> Mapping[str, Any]:
    return {
        "key_id": key.key_id,
        "algorithm": key.algorithm.value,
        "public_key": shown,
        "valid_from": key.valid_from,
        "valid_until": key.valid_until,
        "added_by": key.added_by,
        "added_at": key.added_at,
        "revoked_at": key.revoked_at,
    }
