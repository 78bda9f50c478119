"""`cardops disputes evidence`: what a dispute's evidence needs, its files, and sending it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from cardops.bootstrap import Adapters
from cardops.rules.chargebacks.evidence_files import MAX_FILE_BYTES, RecordedChange
from cardops.services.disputes.recording import CaseName
from cardops.settings import Settings
from orchestration.cli.dispute_options import ByOption, Case, NetworkOption, ProgramOption
from orchestration.cli.evidence_views import (
    described_evidence,
    described_package,
    evidence_lines,
)
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of
from orchestration.cli.waiting_disputes import delivered
from orchestration.composition import evidence_sending_of, evidence_service_of

ItemOption = Annotated[str, typer.Option(help="The item of the manifest that it is for.")]


class EvidenceGroup(TyperGroup):
    """`evidence CASE` is `evidence show CASE`, where the case is not called like a command."""

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return super().resolve_command(ctx, ["show", *args])
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=EvidenceGroup, no_args_is_help=True)


@app.callback()
def _evidence() -> None:
    """Show what a dispute's evidence needs and lacks, and add files: `evidence CASE` shows it."""


@app.command()
def show(
    case: Case,
    *,
    program: ProgramOption = None,
    network: NetworkOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the manifest: what the lake fills, what people added, what is missing. Exit code 1 if anything is."""
    adapters = Adapters(Settings.load())
    found = evidence_service_of(adapters).of_case(CaseName(case, program, network))
    as_of = adapters.database_clock.now().date()
    if json_output:
        print_json(described_evidence(found, as_of))
    else:
        for line in evidence_lines(found, as_of):
            typer.echo(line)
    raise typer.Exit(DONE if found.filled.is_complete else DONE_WITH_FINDINGS)


@app.command()
def add(  # noqa: PLR0913 - one parameter an option
    case: Case,
    *,
    item: ItemOption,
    file: Annotated[Path, typer.Option(help="PDF, JPEG, PNG, TIFF or UTF-8 text.")],
    program: ProgramOption = None,
    network: NetworkOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Add a file for an item; the same file again changes nothing."""
    # Loads polars, which showing the help of these commands need not.
    from cardops.services.disputes.evidence import AddedFile  # noqa: PLC0415

    if not file.is_file():
        raise CommandError(f"{file} is no file; nothing was added.")
    with file.open("rb") as content:
        # One byte more than is allowed tells that it is too large.
        added = AddedFile(item, file.name, content.read(MAX_FILE_BYTES + 1))
    service = evidence_service_of(Adapters(Settings.load()))
    recorded, is_new = service.add(CaseName(case, program, network), added, by=person_of(by))
    _tell(recorded, is_new=is_new, json_output=json_output)


@app.command()
def remove(  # noqa: PLR0913 - one parameter an option
    case: Case,
    *,
    item: ItemOption,
    sha256: Annotated[str, typer.Option(help="The file's SHA-256, or its first digits.")],
    why: Annotated[str, typer.Option(help="Why; it is recorded.")],
    program: ProgramOption = None,
    network: NetworkOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Take a file out of what is sent from now on; what was sent, and the record of it, stay."""
    service = evidence_service_of(Adapters(Settings.load()))
    recorded, is_new = service.remove(
        CaseName(case, program, network), sha256, item=item, by=person_of(by), why=why
    )
    _tell(recorded, is_new=is_new, json_output=json_output)


@app.command()
def send(  # noqa: PLR0913 - one parameter an option
    cases: Annotated[list[str], typer.Argument(help="Case numbers, of one program.")],
    *,
    why: Annotated[str, typer.Option(help="Why it is sent although something is missing.")] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Also where the same was sent before.")
    ] = False,
    program: ProgramOption = None,
    network: NetworkOption = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Send the evidence of disputes in a batch of its own, beside its CSV. Exit code 1: not delivered."""
    adapters = Adapters(Settings.load())
    names = [CaseName(case, program, network) for case in cases]
    sent = evidence_sending_of(adapters).send(names, by=person_of(by), why=why, is_again=again)
    batches = dict.fromkeys(package.batch_id for package, _ in sent)
    files = [file for batch_id in batches for file in delivered(adapters, batch_id)]
    if json_output:
        packages = [
            {"case_number": key.case_number, **described_package(package), "changed": is_new}
            for package, is_new in sent
            for key in [package.opening.dispute]
        ]
        print_json({"packages": packages, "files": files})
    else:
        for package, is_new in sent:
            say(
                f"{package.opening.dispute.case_number}: {package.action} with {len(package.files)} "
                f"files in batch {package.batch_id}" + ("" if is_new else " (sent before)")
            )
    if not files or not all(file["delivered"] for file in files):
        raise typer.Exit(DONE_WITH_FINDINGS)


def _tell(recorded: RecordedChange, *, is_new: bool, json_output: bool) -> None:
    change, key = recorded.change, recorded.dispute
    if json_output:
        print_json(
            {
                "program": key.program,
                "network": key.network,
                "case_number": key.case_number,
                "item": change.item,
                "file": change.file_name,
                "sha256": change.sha256,
                "media_type": change.media_type,
                "size_bytes": change.size_bytes,
                "removed": change.is_removed,
                "by": change.changed_by,
                "at": recorded.changed_at.isoformat(),
                "changed": is_new,
            }
        )
        return
    done = "removed from" if change.is_removed else "added for"
    say(
        f"{key.case_number}: {change.file_name} ({change.size_bytes:,} bytes, "
        f"{change.sha256[:12]}) {done} {change.item}" + ("" if is_new else " (known already)")
    )
