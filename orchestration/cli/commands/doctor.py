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


@app.command()
def doctor(*, prove: ProveOption = False, json_output: JsonOption = False) -> None:
    """Check every configured part and say what to fix. Exit code 1 if something needs fixing.

    With --prove, the store and the lake are copied (a database of its own on the
    same server, links to the lake's files), and every known kind of damage is
    planted in the copy, one after the other. Exit code 1 if the check that must
    find one does not. The books themselves are only read.
    """
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
