"""`cardops authorizer`: the sidecar alone, until a stop signal."""

from typing import Annotated, Final

import typer

from authorizer.main import HOST, PortInUseError, bind, serve
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.secrets import secret_store
from cardops.adapters.telemetry.opening import check_telemetry
from cardops.settings import Settings
from orchestration.cli.output import CommandError, JsonOption, print_json, say

DEFAULT_PORT: Final = 8000
MAX_WORKERS: Final = 64

app = typer.Typer()


@app.command()
def authorizer(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = HOST,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="Processes.")] = 1,
    json_output: JsonOption = False,
) -> None:
    """Answer authorizations over HTTP and send callbacks, until Ctrl-C."""
    settings = Settings.load()
    secret_store(settings)
    check_telemetry()
    # Asked here, so that a missing database is one sentence and not a worker's trace.
    connect_info(settings)
    wished = port if port is not None else settings.authorizer_port or DEFAULT_PORT
    try:
        bound = bind(host, wished)
    except PortInUseError as error:
        raise CommandError(str(error)) from None
    address = f"http://{host}:{bound.getsockname()[1]}"
    if json_output:
        print_json({"address": address, "port": bound.getsockname()[1], "workers": workers})
    say(f"The authorizer answers at {address} (its API at {address}/docs); Ctrl-C stops it.")
    serve(bound, workers)
