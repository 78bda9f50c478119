"""`cardops destinations`: set up card companies' servers, try them, and list them."""

import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cardops.bootstrap import Adapters
from cardops.rules.deliveries.acknowledgements import RejectedRows
from cardops.rules.deliveries.destinations import Destination, Protocol, SftpClient
from cardops.services.deliveries.paused_alarms import paused_sentence
from cardops.services.deliveries.probing import ProbeService, ProbeStep
from cardops.services.deliveries.settings import (
    FALLBACK,
    PREFIX,
    DestinationService,
    ListedDestination,
    host_key_fingerprint,
    openpgp_fingerprint,
    own_key_fingerprint,
)
from cardops.settings import Settings
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)

app = typer.Typer(no_args_is_help=True)
Name = Annotated[
    str, typer.Argument(help="visa, mastercard, amex, discover, default, or an acquirer's name.")
]


@app.callback()
def _destinations() -> None:
    """Set up card companies' servers, try them, and list them."""


ProtocolOption = Annotated[
    Protocol | None, typer.Option(help="sftp, ftps, or ftp, which encrypts nothing.")
]
HostOption = Annotated[str | None, typer.Option(help="Host name or address.")]
PortOption = Annotated[int | None, typer.Option(help="Its port; 22 or 21 by default.")]
UserOption = Annotated[str | None, typer.Option(help="User name there.")]
PasswordOption = Annotated[
    Path | None, typer.Option(help="File with the password, or - for standard input.")
]
PrivateKeyOption = Annotated[
    Path | None, typer.Option(help="File with the private key, without a passphrase.")
]
HostKeyOption = Annotated[
    str | None,
    typer.Option(help="The server's public key, as a line such as `ssh-ed25519 AAAA…` or a file."),
]
CaOption = Annotated[
    Path | None, typer.Option(help="FTPS: PEM file of the authority, if it is not a public one.")
]
FolderOption = Annotated[str | None, typer.Option(help="Folder for our files.")]
CutOffOption = Annotated[
    str | None, typer.Option(help="Until when a file counts for the day, such as 17:00.")
]
ZoneOption = Annotated[str | None, typer.Option(help="Time zone of the cut-off.")]
HolidaysOption = Annotated[
    str | None, typer.Option(help="Its holidays: US, DE-BY, or XECB for bank holidays.")
]
OpenPgpOption = Annotated[
    Path | None, typer.Option(help="Its OpenPGP certificate; files are encrypted for it.")
]
OpenPgpKeyOption = Annotated[
    Path | None, typer.Option(help="Our own OpenPGP key, to read its acknowledgements with.")
]
OutboundOption = Annotated[
    str | None, typer.Option(help="Folder where it puts acknowledgements of our files.")
]
AcknowledgedOption = Annotated[
    str | None, typer.Option(help="Folder to which read ones are moved; by default they stay.")
]
WithinOption = Annotated[
    int | None, typer.Option(help="Hours within which it acknowledges a file; 24 by default.")
]
RejectedOption = Annotated[
    RejectedRows | None,
    typer.Option(help="Rejected rows: reopen sends them once more, hold waits for a person."),
]
FormulasOption = Annotated[
    bool | None,
    typer.Option(
        "--neutralise-formulas/--keep-formulas",
        help="Whether texts that a spreadsheet would evaluate get an apostrophe.",
    ),
]
ClientOption = Annotated[
    SftpClient | None, typer.Option(help="For a server that asyncssh cannot talk to: paramiko.")
]
FromOption = Annotated[
    Path | None,
    typer.Option("--from", help="JSON file with the parts of the secret; options come first."),
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Change one: parts that are not named stay.")
]


@app.command()
def add(  # noqa: PLR0913 - one parameter an option
    name: Name,
    *,
    protocol: ProtocolOption = None,
    host: HostOption = None,
    port: PortOption = None,
    user: UserOption = None,
    password_file: PasswordOption = None,
    private_key: PrivateKeyOption = None,
    host_key: HostKeyOption = None,
    ca_certificate: CaOption = None,
    folder: FolderOption = None,
    cut_off: CutOffOption = None,
    zone: ZoneOption = None,
    holidays: HolidaysOption = None,
    openpgp: OpenPgpOption = None,
    openpgp_key: OpenPgpKeyOption = None,
    outbound_folder: OutboundOption = None,
    acknowledged_folder: AcknowledgedOption = None,
    acknowledge_within: WithinOption = None,
    rejected_rows: RejectedOption = None,
    neutralise_formulas: FormulasOption = None,
    sftp_client: ClientOption = None,
    from_file: FromOption = None,
    replace: ReplaceOption = False,
    json_output: JsonOption = False,
) -> None:
    """Store how to reach a card company, after every check that needs no connection.

    An empty value, such as --cut-off "", removes a part. Secrets are read from files only.
    """
    parts: dict[str, object] = dict(_parts_of(from_file))
    named: dict[str, object | None] = {
        "protocol": protocol.value if protocol else None,
        "host": host,
        "port": port,
        "username": user,
        "password": _content(password_file, "--password-file"),
        "private_key": _content(private_key, "--private-key"),
        "host_key": _key_line(host_key),
        "ca_certificate": _content(ca_certificate, "--ca-certificate"),
        "folder": folder,
        "cut_off": cut_off,
        "time_zone": zone,
        "holidays": holidays,
        "openpgp_certificate": _openpgp(openpgp),
        "openpgp_key": _openpgp_key(openpgp_key),
        "outbound_folder": outbound_folder,
        "acknowledged_folder": acknowledged_folder,
        "acknowledge_within_hours": acknowledge_within,
        "rejected_rows": rejected_rows.value if rejected_rows else None,
        "neutralise_formulas": neutralise_formulas,
        "sftp_client": sftp_client.value if sftp_client else None,
    }
    parts |= {part: value for part, value in named.items() if value is not None}
    if from_file is None and not replace:
        # A file must name its protocol: plain FTP is never what one gets by leaving something out.
        parts.setdefault("protocol", Protocol.SFTP.value)
    adapters = Adapters(Settings.load())
    destination = _service(adapters).add(name, parts, is_change=replace)
    if json_output:
        print_json(described(destination))
    else:
        say(f"{_line(destination)}\n`cardops destinations test {name}` tries it.")


@app.command("test")
def try_destination(name: Name, *, json_output: JsonOption = False) -> None:
    """Connect, write a small file, read it back, rename and delete it. Exit code 1 if that fails.

    A destination that was left alone after failures is used again when this succeeds.
    """
    adapters = Adapters(Settings.load())
    if not any(adapters.secrets.get(PREFIX + known) for known in (name, FALLBACK)):
        raise CommandError(
            f"There is no destination {name}; `cardops destinations add {name}` sets it up."
        )
    service = ProbeService(adapters.destinations, adapters.breakers, adapters.database_clock)
    steps = service.probe(name)
    failed = [step for step in steps if not step.ok]
    if json_output:
        print_json(_described_probe(name, steps))
    else:
        for step in steps:
            typer.echo(f"{'ok' if step.ok else 'FAILED':7} {step.step:10} {step.message}")
        for step in failed:
            typer.echo(f"What to do: {step.advice}")
    raise typer.Exit(DONE_WITH_FINDINGS if failed else DONE)


@app.command("list")
def list_destinations(*, json_output: JsonOption = False) -> None:
    """List destinations with their circuit breakers. Exit code 1 if one of them needs an operator."""
    adapters = Adapters(Settings.load())
    found = _service(adapters).all()
    now = adapters.database_clock.now()
    if json_output:
        print_json(
            {"data": [_described_listed(listed, listed.breaker.state(now)) for listed in found]}
        )
    else:
        for listed in found:
            typer.echo(_listed_lines(listed, listed.breaker.state(now)))
    is_troubled = any(listed.problem or not listed.breaker.is_closed for listed in found)
    raise typer.Exit(DONE_WITH_FINDINGS if is_troubled else DONE)


def described(destination: Destination) -> dict[str, Any]:
    """A destination for `--json`, without a secret."""
    return {
        "name": destination.name,
        "protocol": destination.protocol.value,
        "host": destination.host,
        "port": destination.port,
        "username": destination.username,
        "authentication": "key" if destination.private_key else "password",
        "host_key": _fingerprint(destination),
        "folder": destination.folder,
        "sftp_client": destination.sftp_client.value
        if destination.protocol is Protocol.SFTP
        else None,
        "cut_off": f"{destination.cut_off_at:%H:%M}" if destination.cut_off_at else None,
        "time_zone": destination.time_zone,
        "holidays": destination.holidays,
        "openpgp": openpgp_fingerprint(destination),
        "openpgp_key": own_key_fingerprint(destination),
        "neutralise_formulas": destination.neutralises_formulas,
        "outbound_folder": destination.outbound_folder,
        "acknowledged_folder": destination.acknowledged_folder,
        "acknowledge_within_hours": destination.acknowledge_within // timedelta(hours=1),
        "rejected_rows": destination.rejected_rows.value,
    }


def _described_listed(listed: ListedDestination, state: str) -> dict[str, Any]:
    breaker = listed.breaker
    settings = described(listed.settings) if listed.settings else {"name": listed.name}
    return {
        **settings,
        "simulated": listed.is_simulated,
        "problem": listed.problem,
        "breaker": {
            "state": str(state),
            "failures": breaker.failure_count,
            "opened_at": breaker.opened_at.isoformat() if breaker.opened_at else None,
            "retry_at": breaker.retry_at.isoformat() if breaker.retry_at else None,
            "refused_at": breaker.refused_at.isoformat() if breaker.refused_at else None,
            "last_error": breaker.last_error,
        },
        "undelivered": listed.undelivered_count,
    }


def _described_probe(name: str, steps: list[ProbeStep]) -> dict[str, Any]:
    failed = next((step for step in steps if not step.ok), None)
    return {
        "destination": name,
        "ok": failed is None,
        "problem": failed.message if failed else None,
        "advice": failed.advice if failed else None,
        "steps": [
            {
                "step": step.step,
                "ok": step.ok,
                "message": step.message,
                "advice": step.advice,
                "seconds": round(step.seconds, 3),
            }
            for step in steps
        ],
    }


def _listed_lines(listed: ListedDestination, state: str) -> str:
    lines = [_line(listed.settings) if listed.settings else f"{listed.name}: not set up"]
    breaker = listed.breaker
    if breaker.retry_at is not None:
        lines.append(f"  {state}: {paused_sentence(listed.name, breaker)}")
    if listed.undelivered_count:
        lines.append(f"  {listed.undelivered_count} files are undelivered")
    if listed.problem:
        lines.append(f"  {listed.problem}")
    return "\n".join(lines)


def _line(destination: Destination) -> str:
    where = f"{destination.protocol}://{destination.username}@{destination.host}:{destination.port}"
    parts = [f"{destination.name}: {where}{'' if destination.folder.startswith('/') else '/'}"]
    parts[0] += destination.folder
    if destination.has_calendar:
        until = (
            f"{destination.cut_off_at:%H:%M}" if destination.cut_off_at else "the end of the day"
        )
        closed = f", not on holidays of {destination.holidays}" if destination.holidays else ""
        parts.append(f"counts until {until} {destination.time_zone}{closed}")
    if destination.openpgp_certificate:
        parts.append(f"encrypted for {openpgp_fingerprint(destination)}")
    return "; ".join(parts)


def _fingerprint(destination: Destination) -> str | None:
    try:
        return host_key_fingerprint(destination.host_key) if destination.host_key else None
    except ValueError:
        return None


def _service(adapters: Adapters) -> DestinationService:
    return DestinationService(
        adapters.secrets, adapters.delivery_ledger, adapters.breakers, adapters.database_clock
    )


def _parts_of(path: Path | None) -> Mapping[str, object]:
    if path is None:
        return {}
    try:
        parts = json.loads(_bytes(path, "--from"))
    except ValueError:
        parts = None
    if not isinstance(parts, dict):
        raise CommandError('--from must be a JSON object such as {"protocol": "sftp", "host": …}.')
    return parts


def _content(path: Path | None, option: str) -> str | None:
    """The text of a file, without the line end that an editor puts after a password."""
    if path is None:
        return None
    try:
        text = _bytes(path, option).decode()
    except UnicodeDecodeError:
        raise CommandError(f"{option} {path} is not text; give a text file.") from None
    if option == "--password-file":
        text = text.rstrip("\r\n")
    if not text.strip():
        raise CommandError(f"{option} {path} is empty.")
    return text


def _openpgp(path: Path | None) -> str | None:
    """The certificate in ASCII armor, which is what a JSON secret can hold."""
    if path is None:
        return None
    from cardops.services.openpgp import armored_certificate  # noqa: PLC0415 - Sequoia is seldom needed

    return armored_certificate(_bytes(path, "--openpgp"))


def _openpgp_key(path: Path | None) -> str | None:
    """A secret key of ours in ASCII armor."""
    if path is None:
        return None
    from cardops.services.openpgp import armored_key  # noqa: PLC0415 - Sequoia is seldom needed

    return armored_key(_bytes(path, "--openpgp-key"))


def _key_line(given: str | None) -> str | None:
    """A key line, or the content of the file that was named instead."""
    if not given or " " in given.strip():
        return given
    return _content(Path(given), "--host-key")


def _bytes(path: Path, option: str) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{option} {path} cannot be read: {error.strerror}.") from None
