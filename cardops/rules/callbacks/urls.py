"""Which URLs a callback may name, and which addresses it may reach: the guard against SSRF.

A URL's form, host and address literals are checked when a request arrives, without resolving any
name; every resolved address is checked again when a connection is opened. Deny lists are explicit:
the standard library's `is_global` counts multicast, 6to4, NAT64 and cloud metadata addresses as
global.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_URL_LENGTH: Final = 2048
HTTPS_PORT: Final = 443

# RFC 6890 and its successors; 168.63.129.16 is Azure's wire server.
_DENIED_V4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ],
    )
)
_ALLOWED_V6: Final = ipaddress.IPv6Network("2000::/3")
_DENIED_V6: Final = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
# Printable ASCII without space, quotes, angle brackets, backslash, caret, backtick, braces, pipe.
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")


@dataclass(frozen=True, slots=True)
class UrlRefused:
    """Why a callback URL is refused: a sentence without its subject, the URL."""

    reason: str


def check_callback_url(
    url: str, hosts: Collection[str], *, may_use_loopback: bool = False
) -> str | UrlRefused:
    """The normalized URL, which is the one called; or why it is refused."""
    parts = _parse(url)
    if isinstance(parts, UrlRefused):
        return parts
    host = (parts.hostname or "").lower()
    if may_use_loopback and is_loopback_host(host) and parts.scheme in {"http", "https"}:
        return _normalized(parts, host, parts.port)
    reason = _refusal(parts, host, hosts)
    return UrlRefused(reason) if reason else _normalized(parts, host, None)


def is_public_address(address: str) -> bool:
    """Whether a callback may connect to this address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _DENIED_V4)
    return ip in _ALLOWED_V6 and not any(ip in network for network in _DENIED_V6)


def is_loopback_address(address: str) -> bool:
    """127.0.0.0/8 and ::1."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """`localhost` or a loopback address literal."""
    return host == "localhost" or is_loopback_address(host)


def _parse(url: str) -> SplitResult | UrlRefused:
    if len(url) > MAX_URL_LENGTH or not _PLAIN.fullmatch(url) or "#" in url:
        return UrlRefused(
            f"must be at most {MAX_URL_LENGTH} plain ASCII characters, without a fragment"
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return UrlRefused("cannot be parsed")
    if "@" in parts.netloc:
        return UrlRefused("must not carry a user name or password")
    return parts


def _refusal(parts: SplitResult, host: str, hosts: Collection[str]) -> str | None:
    if parts.scheme != "https":
        return "must begin with https://"
    if parts.port not in {None, HTTPS_PORT}:
        return "must use port 443"
    if ":" in host or re.search(r"(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$", host):
        return "must name a host, not an address"
    if host not in hosts:
        return "names a host that is not registered for this program"
    return None


def _normalized(parts: SplitResult, host: str, port: int | None) -> str:
    authority = f"[{host}]" if ":" in host else host
    if port is not None:
        authority += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{authority}{parts.path or '/'}{query}"
