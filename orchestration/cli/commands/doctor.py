"""`cardops doctor`: checks every configured part and says what to fix."""

from typing import Annotated

import typer

from cardops.settings import Settings
from orchestration.cli.checkup import findings
from orchestration.cli.output import DONE, DONE_WITH_FINDINGS, JsonOption, print_json, say

app = typer.Typer()


ProveOption = Annotated[
    bool,
    typer.Option("--prove", help="Plant known damages in a copy of the books and find each."),
]


DrillOption = Annotated[
    bool,
    typer.Option(
        "--drill", help="Dump the store, restore it into a server of its own, and prove that one."
    ),
]


@app.command()
def doctor(
    *, prove: ProveOption = False, drill: DrillOption = False, json_output: JsonOption = False
) -> None:
    """Check every configured part and say what to fix. Exit code 1 if something needs fixing.

    With --prove, the store and the lake are copied (a database of its own on the
    same server, links to the lake's files), and every known kind of damage is
    planted in the copy, one after the other. Exit code 1 if the check that must
    find one does not. The books themselves are only read.

    With --drill, the same happens in a dump of the store that is restored into a server
    of its own. Exit code 1 if a table differs, the books disagree or a damage is missed.
    """
    if drill:
        raise typer.Exit(_drill(Settings.load(), json_output=json_output))
    if prove:
        raise typer.Exit(_prove(Settings.load(), json_output=json_output))
    found = []
    for finding in findings(Settings.load()):
        found.append(finding)
        if not json_output:
            typer.echo(f"{'ok ' if finding.ok else 'FIX'}  {finding.part}: {finding.message}")
    is_healthy = all(finding.ok for finding in found)
    if json_output:
        print_json({"ok": is_healthy, "checks": [finding.described() for finding in found]})
    raise typer.Exit(DONE if is_healthy else DONE_WITH_FINDINGS)


def _prove(settings: Settings, *, json_output: bool) -> int:
    # Loads the intake, which takes longer than every other check of this command.
    from orchestration.proving.copies import proving  # noqa: PLC0415

    proofs = []
    with proving(settings, say) as proof_run:
        undamaged = proof_run.undamaged
        if not undamaged.is_empty():
            say(
                f"The books have {undamaged.height} break(s) without any planted damage; "
                "`cardops reconcile` shows them."
            )
        say("Planting damages, one after the other.")
        for proof in proof_run.proofs():
            proofs.append(proof)
            if not json_output:
                verdict = "found " if proof.is_found else "MISSED"
                typer.echo(f"{verdict}  {proof.damage.kind:<30} {proof.damage.check}")
    missed = [proof.damage.kind for proof in proofs if not proof.is_found]
    if json_output:
        damages = [{"kind": proof.damage.kind, "found_by": proof.found_by} for proof in proofs]
        print_json({"damages": damages, "missed": missed, "breaks_before": undamaged.height})
    else:
        typer.echo(f"{len(proofs) - len(missed)} of {len(proofs)} kinds of damage were found.")
    return DONE_WITH_FINDINGS if missed else DONE


def _drill(settings: Settings, *, json_output: bool) -> int:
    # Loads the intake, which takes longer than every other check of this command.
    from orchestration.proving.drill import SettingsDrill  # noqa: PLC0415

    done = SettingsDrill(settings).run(say)
    restore = done.restore
    if json_output:
        print_json(
            {
                "passed": done.is_passed,
                "rows": restore.row_count,
                "tables": len(restore.tables),
                "differing": list(restore.differing),
                "dump_bytes": restore.dump_bytes,
                "dump_seconds": round(restore.dump_seconds, 3),
                "restore_seconds": round(restore.restore_seconds, 3),
                "breaks": done.break_count,
                "damages": list(done.damages),
                "missed": list(done.missed),
            }
        )
    else:
        typer.echo(
            f"Dumped {restore.row_count} rows of {len(restore.tables)} tables in {restore.dump_seconds:.1f} s, "
            f"restored them in {restore.restore_seconds:.1f} s."
        )
        if restore.differing:
            typer.echo(f"Not the same after the restore: {', '.join(restore.differing)}.")
        else:
            typer.echo(
                f"{done.break_count} breaks; {len(done.damages) - len(done.missed)} of {len(done.damages)} "
                "kinds of damage were found."
            )
    return DONE if done.is_passed else DONE_WITH_FINDINGS
