"""Routes for operators: liveness, readiness, metrics."""

from fastapi import Request, Response

from authorizer.api.endpoints import RequestDependencies, in_time, json_response, new_router
from authorizer.api.operations import PROMETHEUS_TEXT, json_content, problems, success, text_content
from authorizer.api.problems import unavailable
from authorizer.api.schemas import Health
from authorizer.metrics import Metrics

router = new_router("health")


@router.get(
    "/livez",
    summary="Liveness of the process",
    responses={200: success("The process runs", json_content(Health)), **problems(needs_key=False)},
)
async def get_liveness() -> Response:
    """Answers as long as the process runs."""
    return json_response(b'{"status":"ok"}')


@router.get(
    "/readyz",
    summary="Readiness: whether the database answers",
    responses={
        200: success("The database answers", json_content(Health)),
        **problems(needs_key=False),
    },
)
async def get_readiness(dependencies: RequestDependencies) -> Response:
    """200 if the database answers and this process's clock agrees with the database's."""
    watch = dependencies.database_watch
    if watch is not None and watch.outage is not None:
        raise unavailable("The embedded database does not run; it is being started again.")
    if not await in_time(dependencies, dependencies.callers.is_ready()):
        raise unavailable("The database does not answer.")
    if dependencies.clock_check.problem:
        raise unavailable(dependencies.clock_check.problem)
    return json_response(b'{"status":"ok"}')


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    responses={
        200: success("The metrics", text_content(PROMETHEUS_TEXT)),
        **problems(needs_key=False),
    },
)
async def get_metrics(request: Request, dependencies: RequestDependencies) -> Response:
    """Metrics of this process, or of all its workers together."""
    metrics: Metrics = request.app.state.metrics
    dependencies.report_load(metrics)
    if (watch := dependencies.database_watch) is not None:
        metrics.set_database(is_down=watch.outage is not None, outage_count=watch.outage_count)
    return Response(metrics.text(), media_type=PROMETHEUS_TEXT)
