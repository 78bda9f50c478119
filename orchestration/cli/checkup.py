"""What `cardops doctor` looks at: every configured part, each answered with one sentence.

Belongs here: the checks. Each tries the part itself; none changes anything but a probe file.
"""

import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.connection import connect, connect_info
from cardops.adapters.secrets import secret_store
from cardops.adapters.telemetry.opening import ENDPOINT, check_telemetry, collector_address
from cardops.settings import Settings
from orchestration.local.ports import DEFAULTS, responses

STORES: Final = ("raw", "processed", "failed", "lake")
COMPANIES: Final = ("visa", "mastercard", "amex", "discover")
LEAST_FREE_BYTES: Final = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One part, whether it is well, and what to mend where it is not."""

    part: str
    ok: bool
    told: str

    def described(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def findings(settings: Settings) -> Iterator[Finding]:
    """Every part in turn; a later one is looked at although an earlier one is ill."""
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("python", _python),
        ("disk", _disk),
        ("database", _database),
        *((f"{role} store", _store(role)) for role in STORES),
        ("secrets", _secrets),
        ("card companies", _card_companies),
        ("callbacks", _callbacks),
        ("traces", _traces),
        ("transformations", _transformations),
        ("services", _services),
    ]
    for part, check in checks:
        yield _finding(part, check, settings)


def _finding(part: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(part, ok=True, told=check(settings))
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what is asked for
        return Finding(part, ok=False, told=str(error).strip() or type(error).__name__)


class UnwellError(RuntimeError):
    """A part works, and yet not as it should; the message says what to mend."""


def _python(_: Settings) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise UnwellError(f"This is Python {version}; use 3.11, 3.12 or 3.13.")
    return f"Python {version}."


def _disk(settings: Settings) -> str:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    told = f"{free / 1024**3:.1f} GiB free at {settings.home}"
    if free < LEAST_FREE_BYTES:
        raise UnwellError(f"Only {told}; free some, or set CARDOPS_HOME elsewhere.")
    return f"{told}."


def _database(settings: Settings) -> str:
    info = connect_info(settings)
    with connect(info.url) as session:
        row = session.execute("select current_setting('server_version')").fetchone()
        migrations = session.execute("select count(*) from schema_migrations").fetchone()
    kind = "embedded" if info.is_embedded else "given by CARDOPS_DATABASE_URL"
    return f"PostgreSQL {row and row[0]}, {kind}, {migrations and migrations[0]} migrations."


def _store(role: str) -> Callable[[Settings], str]:
    def check(settings: Settings) -> str:
        store = open_store(settings.store_url(role))
        probe = f".doctor-{secrets.token_hex(6)}"
        store.create(probe, b"probe")
        store.delete(probe)
        return f"{store.url} can be written."

    return check


def _secrets(settings: Settings) -> str:
    secret_store(settings).get("destinations/visa")
    return f"{settings.secrets_url} can be read."


def _card_companies(settings: Settings) -> str:
    store = secret_store(settings)
    missing = [name for name in COMPANIES if store.get(f"destinations/{name}") is None]
    if missing:
        raise UnwellError(
            f"No secret says how to reach {', '.join(missing)}: their files would fail to be "
            "delivered. Put destinations/<network> into the secrets; `cardops up` does it for "
            "its own server."
        )
    return "All four have a secret."


def _callbacks(settings: Settings) -> str:
    with connect(connect_info(settings).url) as session:
        disabled = session.execute(
            "select count(*) from callback_endpoints where disabled_at is not null"
        ).fetchone()
    if disabled and disabled[0]:
        raise UnwellError(
            f"{disabled[0]} callback endpoints are disabled and nothing is sent to them; "
            "`cardops callbacks endpoints` shows them, docs/runbooks/callbacks.md says what to do."
        )
    return "No endpoint is disabled."


def _traces(_: Settings) -> str:
    if not check_telemetry():
        return "None are sent; docs/observability.md says how."
    try:
        return f"A collector answers at {collector_address()}."
    except OSError as error:
        raise UnwellError(
            f"No collector answers at the address of {ENDPOINT} ({error.strerror or error}): "
            "traces are lost, decisions go on. Start it, or unset the variable."
        ) from None


def _transformations(_: Settings) -> str:
    from cardops.adapters.warehouse.dbt import ensure_manifest  # noqa: PLC0415 - may parse for seconds

    return f"{ensure_manifest()} is up to date."


def _services(settings: Settings) -> str:
    ports = {name: getattr(settings, f"{name}_port") or first for name, first in DEFAULTS.items()}
    up = [f"{name} on {port}" for name, port in ports.items() if responses(port)]
    return f"Answering: {', '.join(up)}." if up else "None is up; `cardops up` starts them."
