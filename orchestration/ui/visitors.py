"""Who sends a request to the UI, and whether a page of another site does.

Belongs here: what can be known from the request. What is then refused or recorded is the webserver's.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from cardops.rules.audit import UNKNOWN_PERSON

# It is a tag of runs, which PostgreSQL indexes only up to a length.
MAX_NAME: Final = 320


class Visitors:
    """Who sends a request: the person named in the proxy's header, believed from this machine alone."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def person(self, connection: HTTPConnection) -> str:
        """The person, or that nobody said who it is."""
        name = ""
        if self._header and _is_loopback(connection):
            # Sent twice, it was not the proxy alone that set it.
            names = connection.headers.getlist(self._header)
            name = names[0].strip()[:MAX_NAME] if len(names) == 1 else ""
        return name or UNKNOWN_PERSON

    def via(self, connection: HTTPConnection) -> str:
        """The proxy, or the address that the request came from without one."""
        is_named = self.person(connection) != UNKNOWN_PERSON
        address = connection.client.host if connection.client else "nowhere"
        return "proxy" if is_named else f"{address} without a proxy"


def is_from_another_site(connection: HTTPConnection) -> bool:
    """Whether a browser sent it for a page that is not this UI, which a proxy may show under its own name."""
    headers: Mapping[str, str] = connection.headers
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    own = {headers.get("host"), headers.get("x-forwarded-host")}
    return origin is not None and urlsplit(origin).netloc not in own


def _is_loopback(connection: HTTPConnection) -> bool:
    try:
        return (
            connection.client is not None
            and ipaddress.ip_address(connection.client.host).is_loopback
        )
    except ValueError:
        return False
