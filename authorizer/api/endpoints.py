"""Shared by the route modules: dependencies, the authenticated caller, deadlines, responses."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from authorizer.api.operations import ID_PARAMETER
from authorizer.api.problems import ProblemError, read_timeout, unavailable
from authorizer.decisions.route import check_parameters
from authorizer.dependencies import Dependencies
from authorizer.server.replies import PROGRAM, Reply
from cardops.rules.authorizations.decisions import ReadTimeoutError, StoreUnavailableError
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
    """A router whose operations carry this tag; an operation id is its function's name."""
    return APIRouter(
        tags=[tag],
        default_response_class=Response,
        generate_unique_id_function=_operation_id,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


def dependencies_of(request: Request) -> Dependencies:
    """The dependencies of the application that received the request."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


async def _request_dependencies(request: Request) -> Dependencies:
    """The same as a coroutine: FastAPI would run a plain function in a thread, for each request."""
    return dependencies_of(request)


RequestDependencies = Annotated[Dependencies, Depends(_request_dependencies)]
# The route checks an id in a path: a malformed one is 404, where FastAPI would answer 422.
PathId = Annotated[str, Path(json_schema_extra=dict(ID_PARAMETER))]


async def in_time(dependencies: Dependencies, work: Awaitable[T], *, is_read: bool = False) -> T:
    """The result, within the request's deadline. Raises ProblemError (503) on timeout or no database."""
    try:
        async with asyncio.timeout(dependencies.limits.deadline_seconds):
            return await work
    except ReadTimeoutError:
        raise read_timeout() from None
    except TimeoutError:
        raise (read_timeout() if is_read else unavailable()) from None
    except (StoreUnavailableError, ConnectionError):
        raise unavailable() from None


def needs(scope: Scope, *parameters: str) -> Any:
    """A FastAPI dependency: the authenticated caller, whose key has this scope.

    A query with any other parameter than these is refused.
    """

    async def authenticate(
        request: Request,
        dependencies: RequestDependencies,
        _declared: Annotated[object, Security(API_KEY, scopes=[scope.value])],
    ) -> Caller:
        header = request.headers.get("authorization", "")
        caller = await in_time(dependencies, dependencies.authenticator.authenticate(header, scope))
        request.scope[PROGRAM] = caller.program
        check_parameters(request.scope, *parameters)
        return caller

    return Depends(authenticate)


Writer = Annotated[Caller, needs(Scope.AUTHORIZATIONS_WRITE)]
Reader = Annotated[Caller, needs(Scope.AUTHORIZATIONS_READ)]
Admin = Annotated[Caller, needs(Scope.CALLBACKS_ADMIN)]
CallbackLister = Annotated[Caller, needs(Scope.CALLBACKS_ADMIN, "status", "cursor", "limit")]


def json_response(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A response with this JSON body, which no cache may store."""
    headers = {"cache-control": "no-store", **(headers or {})}
    return Response(body, status, headers=headers, media_type="application/json")


def response_from_reply(reply: Reply) -> Response:
    """The same response in FastAPI's type."""
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, headers=headers)


def not_found(what: str, hint: str = "") -> ProblemError:
    """One problem for an unknown id and for an id of another program, so that neither is revealed."""
    return ProblemError("not-found", f"Unknown {what} in this program. {hint}".rstrip())
