"""Use cases, one verb each: ports, contracts and rules in, results out. No Dagster, FastAPI, Typer, SQL or adapter."""
