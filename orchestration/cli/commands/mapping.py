"""`cardops mapping`: how a sender's files differ from the contract; tried on a file, stored, shown."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cardops.bootstrap import Adapters
from cardops.rules.intake.files import DEFAULT_PROGRAM, Kind
from cardops.rules.mappings.mapping import (
    STRICT,
    FileMapping,
    MappingRefusedError,
    definition_of,
    mapping_of,
)
from cardops.rules.mappings.versions import MappingMissingError, StoredMapping
from cardops.rules.programs.programs import Program
from cardops.settings import Settings
from orchestration.cli.commands.submit import KIND_OPTION, parse_kind
from orchestration.cli.output import (
    DONE,
    DONE_WITH_FINDINGS,
    NOT_POSSIBLE,
    CommandError,
    JsonOption,
    print_json,
    say,
)
from orchestration.cli.people import person_of

if TYPE_CHECKING:
    from cardops.contracts.kinds.profile import KindProfile
    from cardops.services.mappings.trying import Trial, TrialCircumstances

app = typer.Typer(no_args_is_help=True)
ProgramOption = Annotated[str, typer.Option(help="Card program whose files are meant.")]
KindChoice = Annotated[str, KIND_OPTION]
# Rows that a person is shown; `--json` has all that were tried.
PRINTED_ROWS: Final = 10


@app.callback()
def _mapping() -> None:
    """Say once how a sender's files differ from the contract."""


@app.command("try")
def try_file(
    file: Annotated[Path, typer.Argument(help="A file of the sender.")],
    kind: KindChoice,
    program: ProgramOption = DEFAULT_PROGRAM,
    *,
    mapping: Annotated[
        Path | None, typer.Option(help="Try this JSON or TOML file instead of the stored mapping.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows to try.")] = 100,
    json_output: JsonOption = False,
) -> None:
    """Show what would become of a file's first rows; nothing is stored.

    Where the contract cannot read the file and no mapping is stored, one is proposed and tried.

    Exit code 0: all of them are valid; 1: some would be quarantined; 2: the file would be refused.
    """
    if not file.is_file():
        raise CommandError(f"There is no file {file}; check the path.")
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars
    from cardops.services.mappings.trying import try_mapping  # noqa: PLC0415 - loads polars

    profile, adapters = KINDS[Kind(kind)], Adapters(Settings.load())
    used = _used_mapping(adapters, program, profile, mapping)
    judged_by = trial_circumstances(adapters, program, profile)
    trial = try_mapping(file, profile, used.mapping, judged_by, max_rows=rows)
    proposed = None
    if used.source == "none" and not trial.accepted:
        proposed = _proposed(file, profile)
    if proposed is not None:
        used = proposed
        trial = try_mapping(file, profile, used.mapping, judged_by, max_rows=rows)
    response = {
        "file": str(file),
        "kind": kind,
        "program": program,
        **_described_trial(trial, used),
    }
    if json_output:
        print_json(response)
    else:
        _show(response)
    if trial.error:
        raise typer.Exit(NOT_POSSIBLE)
    raise typer.Exit(DONE_WITH_FINDINGS if trial.reasons else DONE)


@app.command("set")
def set_mapping(
    file: Annotated[Path, typer.Argument(help="The mapping, as JSON or TOML.")],
    kind: KindChoice,
    program: ProgramOption = DEFAULT_PROGRAM,
    *,
    why: Annotated[str, typer.Option(help="Why it is set; it is recorded.")],
    by: Annotated[
        str | None, typer.Option(help="Who sets it; by default you, on this machine.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Store a mapping as a new version, in force for files that are claimed from now on.

    An empty mapping is the contract itself.
    """
    if not why.strip():
        raise CommandError("--why is empty; say why the mapping is set.")
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars

    found = _read_mapping(file, KINDS[Kind(kind)])
    adapters = Adapters(Settings.load())
    if adapters.programs.find(program) is None:
        raise CommandError(
            f"There is no program {program}, so nothing was stored; create it with "
            f"`cardops program create {program}`."
        )
    stored = adapters.file_mappings.add(
        program, Kind(kind), found, set_by=person_of(by), why=why.strip()
    )
    if json_output:
        print_json(described(stored))
    else:
        say(f"Version {stored.version} of the mapping of {kind} of {program} is in force.")


@app.command()
def show(
    kind: KindChoice,
    program: ProgramOption = DEFAULT_PROGRAM,
    *,
    version: Annotated[
        int | None, typer.Option(help="This version; by default the one in force.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Show a mapping: the version in force, or any other."""
    stored = Adapters(Settings.load()).file_mappings.find(program, Kind(kind), version)
    if json_output:
        print_json(described(stored))
        return
    say(f"Version {stored.version}, set by {stored.set_by} at {stored.set_at}: {stored.why}")
    typer.echo(json.dumps(definition_of(stored.mapping), indent=2, ensure_ascii=False))


@app.command("list")
def list_mappings(
    *,
    program: Annotated[str | None, typer.Option(help="Only this program's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.", parser=parse_kind)] = None,
    json_output: JsonOption = False,
) -> None:
    """List every version of every mapping; the highest of a program and kind is in force."""
    found = Adapters(Settings.load()).file_mappings.versions(program, Kind(kind) if kind else None)
    if json_output:
        print_json({"data": [described(stored) for stored in found]})
        return
    for stored in found:
        typer.echo(
            f"{stored.program}  {stored.kind}  version {stored.version}  {stored.set_at:%Y-%m-%d}  "
            f"{stored.set_by}  {stored.why}"
        )
    if not found:
        typer.echo("No mapping is stored: every file is read as its contract says.")


def described(stored: StoredMapping) -> dict[str, Any]:
    """A stored mapping for `--json`."""
    return {
        "program": stored.program,
        "kind": stored.kind,
        "version": stored.version,
        "definition": definition_of(stored.mapping),
        "set_by": stored.set_by,
        "why": stored.why,
        "set_at": stored.set_at.isoformat(),
    }


class _Used:
    """The mapping a trial uses and where it comes from: stored, file, proposed, or none.

    `questions`: what a proposal leaves open.
    """

    def __init__(
        self,
        source: str,
        mapping: FileMapping,
        version: int | None = None,
        questions: Sequence[str] = (),
    ) -> None:
        self.source = source
        self.mapping = mapping
        self.version = version
        self.questions = questions


def _proposed(path: Path, profile: "KindProfile") -> _Used | None:
    """A mapping for a file that the contract cannot read; None where nothing can be proposed."""
    from cardops.contracts.reading.source import FileRefusedError  # noqa: PLC0415 - loads polars
    from cardops.services.mappings.proposing import propose_mapping  # noqa: PLC0415 - loads polars

    try:
        proposal = propose_mapping(path, profile.contract)
    except FileRefusedError:
        return None
    if proposal is None or not (proposal.definition or proposal.questions):
        return None
    try:
        return _Used("proposed", mapping_of(proposal.definition), questions=proposal.questions)
    except MappingRefusedError as error:
        return _Used("proposed", STRICT, questions=(*proposal.questions, str(error)))


def _used_mapping(
    adapters: Adapters, program: str, profile: "KindProfile", path: Path | None
) -> _Used:
    if path is not None:
        return _Used("file", _read_mapping(path, profile))
    try:
        stored = adapters.file_mappings.find(program, profile.kind)
    except MappingMissingError:
        return _Used("none", STRICT)
    return _Used("stored", stored.mapping, stored.version)


def _read_mapping(path: Path, profile: "KindProfile") -> FileMapping:
    """Raises CommandError, MappingRefusedError."""
    from cardops.contracts.reading.mapped import check_mapping  # noqa: PLC0415 - loads polars

    if not path.is_file():
        raise CommandError(f"There is no file {path}; check the path.")
    try:
        text = path.read_text(encoding="utf-8")
        definition = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        form = "TOML" if path.suffix == ".toml" else "JSON"
        problem = "nested too deep" if isinstance(error, RecursionError) else error
        raise CommandError(f"{path} is not valid {form} ({problem}); mend it.") from error
    if not isinstance(definition, dict):
        raise MappingRefusedError("it is no JSON object")
    mapping = mapping_of(definition)
    check_mapping(mapping, profile.contract)
    return mapping


def trial_circumstances(
    adapters: Adapters, program: str, profile: "KindProfile"
) -> "TrialCircumstances":
    """What a file of the program would be judged by now."""
    from cardops.contracts.kinds.registry import KINDS  # noqa: PLC0415 - loads polars
    from cardops.services.intake.known_rows import referenced_by  # noqa: PLC0415 - loads polars
    from cardops.services.mappings.trying import TrialCircumstances  # noqa: PLC0415 - loads polars
    from orchestration.composition import intake_ports_of  # noqa: PLC0415 - loads polars

    found = adapters.programs.find(program) or Program(
        program, currency=adapters.settings.default_currency
    )
    return TrialCircumstances(
        found.currency,
        adapters.database_clock.now(),
        batch_mode=found.chargeback_mode if profile.has_batches else None,
        routes=found.network_routes,
        referenced=referenced_by(profile, program, intake_ports_of(adapters), KINDS),
    )


def _described_trial(trial: "Trial", used: _Used) -> dict[str, Any]:
    return {
        "mapping": {
            "source": used.source,
            "version": used.version,
            "definition": definition_of(used.mapping),
        },
        "read": len(trial.rows),
        "accepted": trial.accepted,
        "quarantined": len(trial.rows) - trial.accepted,
        "reasons": dict(trial.reasons),
        "flags": dict(trial.flags),
        "unknown_columns": list(trial.unknown_columns),
        "questions": list(used.questions),
        "rows": [
            {
                "row_number": row.row_number,
                "reasons": list(row.reasons),
                "flags": list(row.flags),
                "values": row.values,
                "raw": row.raw,
            }
            for row in trial.rows
        ],
        "error": trial.error,
    }


def _show(response: Mapping[str, Any]) -> None:
    used = response["mapping"]
    which = {
        "stored": f"version {used['version']} of the stored mapping",
        "file": "the mapping given",
        "none": "the contract alone: no mapping is stored",
        "proposed": "a mapping proposed for it, because the contract alone cannot read it",
    }
    say(f"Tried with {which[used['source']]}.")
    if used["source"] == "proposed":
        typer.echo(json.dumps(used["definition"], indent=2, ensure_ascii=False))
    for question in response["questions"]:
        typer.echo(f"To be answered before it is stored: {question}")
    if response["error"]:
        typer.echo(f"Would be refused: {response['error']}")
        return
    for name in ("read", "accepted", "quarantined"):
        typer.echo(f"{name}: {response[name]}")
    for code, count in response["reasons"].items():
        typer.echo(f"  {code}: {count}")
    if response["unknown_columns"]:
        typer.echo(f"columns that serve nothing: {', '.join(response['unknown_columns'])}")
    _show_rows(response["rows"])


def _show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    valid = [row for row in rows if not row["reasons"]]
    refused = [row for row in rows if row["reasons"]]
    for row in valid[:PRINTED_ROWS]:
        values = ", ".join(
            f"{name}={value}" for name, value in row["values"].items() if value is not None
        )
        typer.echo(f"row {row['row_number']}: {values}")
    for row in refused[:PRINTED_ROWS]:
        typer.echo(f"row {row['row_number']}: {' '.join(row['reasons'])}: {row['raw']}")
