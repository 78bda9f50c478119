"""Whether tracing is on, and where traces go: OpenTelemetry's own environment variables decide.

Belongs here: what needs no OpenTelemetry package, because those are optional.
"""

import importlib.util
import os
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from cardops.ports import Tracing
from cardops.rules.errors import ExplainedError

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
REACH_SECONDS: Final = 2.0
_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


class TelemetryError(ExplainedError, RuntimeError):
    """Tracing is configured but cannot work; the message is one sentence."""


def open_tracing(service: str, environment: Mapping[str, str] = os.environ) -> Tracing | None:
    """Tracing as the environment configures it, or None. Raises TelemetryError."""
    if not check_telemetry(environment):
        return None
    from cardops.adapters.telemetry.open_telemetry import OpenTelemetry  # noqa: PLC0415 - optional packages

    return OpenTelemetry(service)


def check_telemetry(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether tracing is on. Raises TelemetryError where it is configured but cannot work."""
    endpoint = environment.get(ENDPOINT, "").strip()
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not endpoint or is_disabled or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    protocol = environment.get(PROTOCOL, "").strip() or "http/protobuf"
    if protocol != "http/protobuf":
        raise TelemetryError(
            f"{PROTOCOL} is not http/protobuf, the only protocol supported; unset it."
        )
    if not _is_http(endpoint):
        raise TelemetryError(
            f"{ENDPOINT} is not an HTTP address; set it to one such as http://127.0.0.1:4318, or unset "
            "it to run without traces."
        )
    if not all(_is_installed(name) for name in _NEEDED):
        raise TelemetryError(
            f"{ENDPOINT} is set, but OpenTelemetry is not installed; install it with "
            "pip install 'cardops[otel]' (in a checkout: '.[otel]'), or unset it to run without "
            "traces."
        )
    return True


def collector_address(environment: Mapping[str, str] = os.environ) -> str:
    """Host and port of the collector, after a trial connection. Raises OSError where it fails."""
    parts = urlsplit(environment[ENDPOINT].strip())
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((host, port), timeout=REACH_SECONDS).close()
    return f"{host}:{port}"


def _is_http(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        is_port = parts.port != 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and is_port


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:  # raised where the parent package is missing
        return False
