"""What every module of routes uses: the application's parts, the caller, deadlines, responses."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from authorizer.api.operations import ID_PARAMETER
from authorizer.api.problems import ProblemError, unavailable
from authorizer.dependencies import Dependencies
from authorizer.server.replies import PROGRAM
from cardops.rules.authorizations.decisions import StoreUnavailableError
from cardops.rules.programs.api_keys import Caller, Scope

T = TypeVar("T")

# Declares the key in the OpenAPI document; the key itself is checked by the Authenticator.
API_KEY: Final = HTTPBearer(
    scheme_name="key",
    bearerFormat="cpk_<test|live>_<id>_<secret>",
    description="A key of `cardops key create`.",
    auto_error=False,
)


def new_router(tag: str) -> APIRouter:
    """A router whose operations have this tag and are called after their functions."""
    return APIRouter(
        tags=[tag],
        default_response_class=Response,
        generate_unique_id_function=_operation_id,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


def dependencies_of(request: Request) -> Dependencies:
    """The parts of the application that received the request."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


RequestDependencies = Annotated[Dependencies, Depends(dependencies_of)]
# An id in a path. Our own code checks it: a malformed one is 404, where FastAPI would answer 422.
PathId = Annotated[str, Path(json_schema_extra=dict(ID_PARAMETER))]


async def in_time(dependencies: Dependencies, work: Awaitable[T]) -> T:
    """The result within the request's deadline. Raises ProblemError (503)."""
    try:
        async with asyncio.timeout(dependencies.limits.deadline_seconds):
            return await work
    except (TimeoutError, StoreUnavailableError, ConnectionError):
        raise unavailable() from None


def needs(scope: Scope) -> Any:
    """A FastAPI dependency: the caller, whose key has this scope."""

    async def enter(
        request: Request,
        dependencies: RequestDependencies,
        _declared: Annotated[object, Security(API_KEY, scopes=[scope.value])],
    ) -> Caller:
        header = request.headers.get("authorization", "")
        caller = await in_time(dependencies, dependencies.authenticator.enter(header, scope))
        request.scope[PROGRAM] = caller.program
        return caller

    return Depends(enter)


Writer = Annotated[Caller, needs(Scope.AUTHORIZATIONS_WRITE)]
Reader = Annotated[Caller, needs(Scope.AUTHORIZATIONS_READ)]
Admin = Annotated[Caller, needs(Scope.CALLBACKS_ADMIN)]


def json_response(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A response with this JSON body, which no cache may store."""
    headers = {"cache-control": "no-store", **(headers or {})}
    return Response(body, status, headers=headers, media_type="application/json")


def not_found(what: str) -> ProblemError:
    """The same problem for what does not exist and for what belongs to another program."""
    return ProblemError("not-found", f"There is no such {what} in this program.")
