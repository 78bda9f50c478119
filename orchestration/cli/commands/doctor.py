"""`cardops doctor`: checks every configured part and says what to fix."""

import typer

from cardops.settings import Settings
from orchestration.cli.checkup import findings
from orchestration.cli.output import DONE, DONE_WITH_FINDINGS, JsonOption, print_json

app = typer.Typer()


@app.command()
def doctor(*, json_output: JsonOption = False) -> None:
    """Check every configured part and say what to fix. Exit code 1 if something needs fixing."""
    found = []
    for finding in findings(Settings.load()):
        found.append(finding)
        if not json_output:
            typer.echo(f"{'ok ' if finding.ok else 'FIX'}  {finding.part}: {finding.message}")
    is_healthy = all(finding.ok for finding in found)
    if json_output:
        print_json({"ok": is_healthy, "checks": [finding.described() for finding in found]})
    raise typer.Exit(DONE if is_healthy else DONE_WITH_FINDINGS)
