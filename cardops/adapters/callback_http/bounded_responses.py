"""A limit on the bytes of one response, which aiohttp has no setting for.

This is the only module that uses aiohttp's internals: `aiohttp.client_proto.ResponseHandler` and
`TCPConnector._factory`. tests/adapters/callback_http/test_aiohttp_internals.py fails when an
upgrade changes them.
"""

import asyncio
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from typing_extensions import override

MAX_RESPONSE_BYTES: Final = 64 * 1024
# Status line and header fields, those of informational (1xx) responses included.
MAX_HEAD_BYTES: Final = 32 * 1024


class BoundedResponseHandler(ResponseHandler):
    """Reads no more of one response than its limits, however much is sent at once."""

    _left = 0

    @override
    def set_response_params(self, **params: Any) -> None:
        """Aiohttp calls this when a request is sent: a new response begins."""
        self._left = MAX_HEAD_BYTES + MAX_RESPONSE_BYTES
        super().set_response_params(**params)

    @override
    def data_received(self, data: bytes) -> None:
        """Parse what is within the limits; more than that ends the connection."""
        fits = len(data) <= self._left
        super().data_received(data if fits else data[: self._left])
        self._left -= len(data)
        if not fits and self.transport is not None:
            # A response whose head is complete and whose body has reached its limit still counts;
            # any other becomes an error.
            self.transport.abort()


def bound_responses(connector: aiohttp.TCPConnector) -> None:
    """Make every new connection of the connector read bounded responses only."""
    factory = partial(BoundedResponseHandler, asyncio.get_running_loop())
    connector._factory = factory  # type: ignore[assignment] # noqa: SLF001 - see above
