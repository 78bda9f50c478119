"""`cardops doctor`: checks every configured part and says what to mend."""

import typer

from cardops.settings import Settings
from orchestration.cli.checkup import findings
from orchestration.cli.output import DONE, DONE_WITH_FINDINGS, JsonOption, print_json

app = typer.Typer()


@app.command()
def doctor(*, json_output: JsonOption = False) -> None:
    """Check every configured part and say what to mend. Exit code 1 where something is."""
    found = []
    for finding in findings(Settings.load()):
        found.append(finding)
        if not json_output:
            typer.echo(f"{'ok  ' if finding.ok else 'MEND'}  {finding.part}: {finding.told}")
    is_well = all(one.ok for one in found)
    if json_output:
        print_json({"ok": is_well, "checks": [one.described() for one in found]})
    raise typer.Exit(DONE if is_well else DONE_WITH_FINDINGS)
