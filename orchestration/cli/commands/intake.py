"""`cardops intake`: ingest files as they arrive, until Ctrl-C."""

import logging

import typer

from cardops.settings import Settings

app = typer.Typer()


@app.command()
def intake() -> None:
    """Ingest files as they arrive, until Ctrl-C; the runs are in the Dagster UI. Part of `cardops up`."""
    from authorizer.logs import set_up_logs  # noqa: PLC0415 - the command line lists this module
    from orchestration.local.intake_process import run_worker  # noqa: PLC0415 - loads Dagster

    set_up_logs()
    # Which plugins the migrations of Dagster's tables have is nobody's question here.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    run_worker(Settings.load())
