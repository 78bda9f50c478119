"""`cardops authorizer`: the HTTP sidecar alone, until a stop signal."""

from typing import Annotated, Final

import typer

from authorizer.main import HOST, PortInUseError, bind, serve
from cardops.bootstrap import Adapters, is_tracing_configured
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
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="Number of processes.")] = 1,
    json_output: JsonOption = False,
) -> None:
    """Decide authorizations over HTTP and send callbacks until Ctrl-C."""
    settings = Settings.load()
    # Checked before any worker starts: a wrong setting is one sentence, not a worker's traceback.
    adapters = Adapters(settings)
    _ = adapters.secrets
    is_tracing_configured()
    adapters.check_clock()
    wanted_port = port if port is not None else settings.authorizer_port or DEFAULT_PORT
    try:
        bound = bind(host, wanted_port)
    except PortInUseError as error:
        raise CommandError(str(error)) from None
    address = f"http://{host}:{bound.getsockname()[1]}"
    if json_output:
        print_json({"address": address, "port": bound.getsockname()[1], "workers": workers})
    say(f"The authorizer listens at {address} (API docs at {address}/docs); Ctrl-C stops it.")
    serve(bound, workers)
