"""The Dagster UI with a record of who changed what, and a read-only one for analysts.

Every mutation passes through one place, the fields of the schema's mutation type: it is refused where
this server is read-only or another site sent it, and is recorded in the audit trail before it is made.
Nothing is recorded of what is only looked at, so the UI stays readable while the database of the trail
is down. tests/orchestration/ui compares what is overridden here with Dagster's own.
"""

import argparse
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.schema import create_schema
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket
from typing_extensions import override

from cardops.bootstrap import Adapters
from cardops.ports import AuditTrail
from cardops.rules.audit import UNKNOWN_PERSON, AuditEntry, AuditResult, Origin
from cardops.rules.errors import ExplainedError
from cardops.settings import Settings
from orchestration.local.ports import HOST
from orchestration.ui.changes import UNRECORDED, action_of, subject_of
from orchestration.ui.outcomes import became, run_ids
from orchestration.ui.partitions import partition_problem
from orchestration.ui.queries import query_problem
from orchestration.ui.selections import selection_problem
from orchestration.ui.visitors import Visitors, is_from_another_site

# On every run that a person launched, and on those of a backfill.
LAUNCHED_BY: Final = "cardops/launched_by"
# Below it the read-only UI is served, so that a proxy tells it from the other by the path alone.
ANALYSTS: Final = "/analysts"
LIVE_DATA_MILLISECONDS: Final = 2_000
STATEMENT_MILLISECONDS: Final = 15_000
CONNECTION_SECONDS: Final = 3_600
MAX_OVERFLOW: Final = 20
_LOGGER: Final = logging.getLogger("dagster-webserver")
_LAUNCHES: Final = ("launch",)
_LAUNCHED: Final = frozenset(
    {"launchRun", "launchPipelineExecution", "launchMultipleRuns", "launchPartitionBackfill"}
)


class RefusedError(GraphQLError):
    """The mutation was not made; the message is for the person who asked for it."""


class PersonalContext(WorkspaceRequestContext):
    """A request's context that tags what it launches with the person."""

    person = UNKNOWN_PERSON

    @override
    def get_viewer_tags(self) -> dict[str, str]:
        return {LAUNCHED_BY: self.person}


class PersonalProcess(WorkspaceProcessContext):
    """The workspace, with a context of its own for each request."""

    def __init__(self, *arguments: Any, visitors: Visitors, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._visitors = visitors

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be launched or changed."""
        return self._read_only

    @override
    def create_request_context(self, source: object | None = None) -> PersonalContext:
        context = PersonalContext(
            instance=self._instance,
            current_workspace=self.get_current_workspace(),
            process_context=self,
            version=self.version,
            source=source,
            read_only=self._read_only,
        )
        if isinstance(source, HTTPConnection):
            context.person = self._visitors.person(source)
        return context


class AuditedWebserver(DagsterWebserver[PersonalProcess, PersonalContext]):
    """Dagster's own server; `trail` is where changes are recorded, `visitors` says who makes them."""

    def __init__(
        self,
        process: PersonalProcess,
        trail: Callable[[], AuditTrail],
        visitors: Visitors,
        path_prefix: str = "",
    ) -> None:
        self._trail = trail
        self._visitors = visitors
        super().__init__(process, path_prefix, LIVE_DATA_MILLISECONDS)

    @override
    def build_graphql_schema(self) -> Any:
        schema = create_schema()
        mutations = schema.graphql_schema.mutation_type
        assert mutations is not None  # noqa: S101 - Dagster's schema has one
        for name, mutation in mutations.fields.items():
            mutation.resolve = self._guarded(name, mutation.resolve)
        return schema

    @override
    def build_middleware(self) -> list[Middleware]:
        # Another site's name that leads here gets nothing.
        trusted = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
        return [trusted, *super().build_middleware()]

    @override
    async def graphql_ws_endpoint(self, websocket: WebSocket) -> None:
        if is_from_another_site(websocket):
            await websocket.close()
            return
        await super().graphql_ws_endpoint(websocket)

    @override
    async def execute_graphql_request(
        self, request: Request, query: str, variables: Any, operation_name: str | None
    ) -> JSONResponse:
        problem = query_problem(query)
        if problem is not None:
            return JSONResponse({"data": None, "errors": [{"message": problem}]}, 400)
        return await super().execute_graphql_request(request, query, variables, operation_name)

    @override
    async def execute_graphql_subscription(
        self,
        websocket: WebSocket,
        operation_id: str,
        query: str,
        variables: Any,
        operation_name: str | None,
    ) -> Any:
        problem = query_problem(query)
        if problem is not None:
            return None, {"message": problem}
        return await super().execute_graphql_subscription(
            websocket, operation_id, query, variables, operation_name
        )

    @override
    async def report_asset_materialization_endpoint(self, request: Request) -> JSONResponse:
        return await self._reported(request, super().report_asset_materialization_endpoint)

    @override
    async def report_asset_check_endpoint(self, request: Request) -> JSONResponse:
        return await self._reported(request, super().report_asset_check_endpoint)

    @override
    async def report_asset_observation_endpoint(self, request: Request) -> JSONResponse:
        return await self._reported(request, super().report_asset_observation_endpoint)

    @override
    def _determine_status_code(
        self, resolver_errors: list[GraphQLError] | None, captured_errors: list[Exception]
    ) -> int:
        if any(isinstance(error.original_error, RefusedError) for error in resolver_errors or ()):
            return 403
        return super()._determine_status_code(resolver_errors, captured_errors)

    def _guarded(self, name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
        def call(root: Any, info: Any, **arguments: Any) -> Any:
            if name in UNRECORDED:
                return resolve(root, info, **arguments)
            connection: HTTPConnection = info.context.source
            self._check(connection)
            if name in _LAUNCHED:
                _check_launch(info.context, arguments)
            entry_id = self._begin(connection, action_of(name), subject_of(arguments))
            try:
                returned = resolve(root, info, **arguments)
            except BaseException as error:
                self._finish(entry_id, AuditResult.FAILED, type(error).__name__)
                raise
            if inspect.isawaitable(returned):
                return self._awaited(info.context, entry_id, name, returned)
            return self._ended(info.context, entry_id, name, returned)

        return call

    async def _awaited(
        self, context: PersonalContext, entry_id: int, name: str, returned: Awaitable[Any]
    ) -> Any:
        try:
            result = await returned
        except BaseException as error:
            self._finish(entry_id, AuditResult.FAILED, type(error).__name__)
            raise
        return self._ended(context, entry_id, name, result)

    def _ended(self, context: PersonalContext, entry_id: int, name: str, result: Any) -> Any:
        outcome, detail = became(result)
        if outcome is AuditResult.DONE and name.startswith(_LAUNCHES):
            for run_id in run_ids(result):
                context.instance.add_run_tags(run_id, {LAUNCHED_BY: context.person})
        self._finish(entry_id, outcome, detail)
        return result

    async def _reported(
        self, request: Request, endpoint: Callable[[Request], Awaitable[JSONResponse]]
    ) -> JSONResponse:
        """What a program reports of an asset by an address of its own, recorded as a mutation is."""
        try:
            self._check(request)
            entry_id = await run_in_threadpool(
                self._begin, request, "report asset", f"asset {request.path_params['asset_key']}"
            )
        except RefusedError as error:
            return JSONResponse({"error": error.message}, 403)
        response = await endpoint(request)
        is_done = response.status_code < 400  # noqa: PLR2004 - client errors begin
        result = AuditResult.DONE if is_done else AuditResult.REFUSED
        await run_in_threadpool(self._finish, entry_id, result, f"HTTP {response.status_code}")
        return response

    def _check(self, connection: HTTPConnection) -> None:
        """Raises RefusedError for a change that must not be made here."""
        if self._process_context.is_read_only:
            raise RefusedError(
                "This UI is read-only: nothing was launched or changed. Ask an operator, or open the operators' UI "
                "if you are one."
            )
        if connection.scope.get("method") != "POST" or is_from_another_site(connection):
            raise RefusedError(
                "Nothing was changed: the request came from another site, or by a link. Changes are made in the UI "
                "itself, or by a POST to /graphql."
            )

    def _begin(self, connection: HTTPConnection, action: str, subject: str) -> int:
        """Record what is about to be done. Raises RefusedError where that is not possible."""
        person, via = self._visitors.person(connection), self._visitors.via(connection)
        try:
            return self._trail().begin(AuditEntry(Origin.UI, person, via, action, subject))
        except ExplainedError as error:
            raise RefusedError(str(error)) from error

    def _finish(self, entry_id: int, result: AuditResult, detail: str) -> None:
        """What was done stays done: an entry without result says that it is not known what became of it."""
        try:
            self._trail().finish(entry_id, result, detail)
        except Exception:
            _LOGGER.exception("It was not recorded what became of audit entry %s.", entry_id)


def _check_launch(context: PersonalContext, arguments: Mapping[str, Any]) -> None:
    """Raises RefusedError where a range is reversed or empty, or a partition or an asset of a step is missing."""
    graph = context.asset_graph
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    together = {
        name: [key.to_user_string() for key in node.execution_set_asset_keys]
        for name, node in nodes.items()
    }
    definitions = {name: node.partitions_def for name, node in nodes.items()}
    problem = selection_problem(arguments, together) or partition_problem(
        arguments, definitions, context.instance, partial(_assets_of_job, context)
    )
    if problem is not None:
        raise RefusedError(f"Nothing was launched: {problem}, and launch it again.")


def _assets_of_job(context: PersonalContext, job_name: str) -> list[str]:
    """What a job makes; nothing where there is no such job, which Dagster says itself."""
    return [
        snap.asset_key.to_user_string()
        for location in context.code_locations
        for repository in location.get_repositories().values()
        for snap in repository.get_asset_node_snaps(job_name)
    ]


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    yield


def app(process: PersonalProcess, trail: Callable[[], AuditTrail], visitors: Visitors) -> Starlette:
    """The whole UI, or below /analysts the read-only one."""
    prefix = ANALYSTS if process.is_read_only else ""
    return AuditedWebserver(process, trail, visitors, prefix).create_asgi_app(lifespan=_lifespan)


def main() -> None:
    """`python -m orchestration.ui.webserver --port N --workspace FILE [--read-only]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--read-only", action="store_true")
    given = parser.parse_args()
    settings = Settings.load()
    adapters, visitors = Adapters(settings), Visitors(settings.ui_user_header)
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_MILLISECONDS, CONNECTION_SECONDS, MAX_OVERFLOW)
        with PersonalProcess(
            instance,
            WorkspaceFileTarget(paths=[str(given.workspace)]),
            version=__version__,
            read_only=given.read_only,
            visitors=visitors,
        ) as process:
            # The address of the peer is needed as it is: that of a header would be whose it says.
            uvicorn.run(
                app(process, lambda: adapters.audit_trail, visitors),
                host=HOST,
                port=given.port,
                log_level="warning",
                proxy_headers=False,
            )


if __name__ == "__main__":
    main()
