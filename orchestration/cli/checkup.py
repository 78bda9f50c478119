"""The checks of `cardops doctor`: every configured part, each reported in one sentence.

Belongs here: the checks. Each one uses the part itself; none changes anything but a probe file.
"""

import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cardops.bootstrap import Adapters, dbt_manifest, is_tracing_configured, trace_collector
from cardops.rules.errors import ExplainedError
from cardops.services.deliveries.paused_alarms import paused_sentence
from cardops.settings import Settings
from orchestration.local.ports import DEFAULTS, HOST, accepts_connections, read_ports

STORES: Final = ("raw", "processed", "failed", "lake", "iceberg")
COMPANIES: Final = ("visa", "mastercard", "amex", "discover")
MIN_FREE_BYTES: Final = 2 * 1024**3
INDEXED_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Finding:
    """One part, whether it is healthy, and what to fix where it is not."""

    part: str
    ok: bool
    message: str

    def described(self) -> dict[str, Any]:
        """For `--json`."""
        return {"part": self.part, "ok": self.ok, "told": self.message}


def findings(settings: Settings) -> Iterator[Finding]:
    """Check every part in turn, also after one that is not healthy."""
    checks: list[tuple[str, Callable[[Adapters], str]]] = [
        ("python", _python),
        ("disk", _disk),
        ("database", _database),
        *((f"{role} store", _store(role)) for role in STORES),
        ("events of arrivals", _events),
        ("secrets", _secrets),
        ("card companies", _card_companies),
        ("deliveries", _deliveries),
        ("callbacks", _callbacks),
        ("traces", _traces),
        ("index of known rows", _known_rows),
        ("transformations", _transformations),
        ("dbt docs", _dbt_docs),
        ("services", _services),
    ]
    adapters = Adapters(settings)
    for part, check in checks:
        yield _finding(part, check, adapters)


def _finding(part: str, check: Callable[[Adapters], str], adapters: Adapters) -> Finding:
    try:
        return Finding(part, ok=True, message=check(adapters))
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the finding
        return Finding(part, ok=False, message=str(error).strip() or type(error).__name__)


class UnhealthyError(ExplainedError):
    """A part responds but does not work as it should; the message says what to fix."""


def _python(_: Adapters) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise UnhealthyError(f"This is Python {version}; use 3.11, 3.12 or 3.13.")
    return f"Python {version}."


def _disk(adapters: Adapters) -> str:
    home = adapters.settings.home
    home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(home).free
    message = f"{free / 1024**3:.1f} GiB free at {home}"
    if free < MIN_FREE_BYTES:
        raise UnhealthyError(f"Only {message}; free some space, or set CARDOPS_HOME elsewhere.")
    return f"{message}."


def _database(adapters: Adapters) -> str:
    facts = adapters.database_facts()
    origin = "embedded" if adapters.database.is_embedded else "named by CARDOPS_DATABASE_URL"
    return f"PostgreSQL {facts.server_version}, {origin}, {facts.migration_count} migrations."


def _store(role: str) -> Callable[[Adapters], str]:
    def check(adapters: Adapters) -> str:
        store = adapters.store(role)
        probe = f".doctor-{secrets.token_hex(6)}"
        store.create(probe, b"probe")
        store.delete(probe)
        return f"{store.url} is writable."

    return check


def _events(adapters: Adapters) -> str:
    queue = adapters.queued_arrivals
    if queue is None:
        return "No queue is set, so the raw store itself is watched or listed."
    return queue.check()


def _secrets(adapters: Adapters) -> str:
    adapters.secrets.get("destinations/visa")
    return f"{adapters.settings.secrets_url} is readable."


def _card_companies(adapters: Adapters) -> str:
    missing = [name for name in COMPANIES if adapters.secrets.get(f"destinations/{name}") is None]
    if missing:
        raise UnhealthyError(
            f"No secret says how to reach {', '.join(missing)}, so their files cannot be "
            "delivered. `cardops destinations add` sets one up; `cardops up` adds those of its own "
            "SFTP server."
        )
    return "All four have a secret."


def _deliveries(adapters: Adapters) -> str:
    """What the breakers say. A log-in here would bring an account closer to being locked."""
    paused = [
        paused_sentence(destination, breaker)
        for destination, breaker in adapters.breakers.all().items()
        if not breaker.is_closed
    ]
    if paused:
        raise UnhealthyError(" ".join(paused))
    return "No destination is paused."


def _callbacks(adapters: Adapters) -> str:
    disabled = adapters.database_facts().disabled_endpoint_count
    if disabled:
        raise UnhealthyError(
            f"{disabled} callback endpoints are disabled and receive no callbacks; "
            "`cardops callbacks endpoints` lists them, docs/runbooks/callbacks.md says what to do."
        )
    return "No endpoint is disabled."


def _traces(_: Adapters) -> str:
    if not is_tracing_configured():
        return "Not configured; docs/observability.md says how."
    try:
        return f"A collector accepts connections at {trace_collector()}."
    except OSError as error:
        raise UnhealthyError(
            "No collector accepts connections at the address of OTEL_EXPORTER_OTLP_ENDPOINT "
            f"({error.strerror or error}): traces are lost, decisions are not affected. Start the "
            "collector, or unset the variable."
        ) from None


def _known_rows(adapters: Adapters) -> str:
    """Reads the lake's and the index's counts of the last dates; changes nothing."""
    # A second, which only this check needs.
    from cardops.services.intake.index_check import differences_on  # noqa: PLC0415

    today = adapters.database_clock.now().date()
    days = [today - timedelta(days=number) for number in range(INDEXED_DAYS)]
    kinds = adapters.known_rows.kinds()
    found = [
        difference
        for kind in kinds
        for difference in differences_on(
            kind, days, adapters.intake_ledger, adapters.lake, adapters.known_rows
        )
    ]
    if found:
        first = found[0]
        raise UnhealthyError(
            f"{len(found)} file(s) of the last {INDEXED_DAYS} days have another number of rows in the "
            f"index of known rows than in the lake, so later files are judged wrongly: intake file "
            f"{first.intake_id} of {first.kind} has {first.known} and {first.in_lake}. Ingest them "
            "again (materialize their partitions); after a restore, "
            "docs/decisions/0047-index-of-known-rows.md says what to do."
        )
    return f"As the lake for the last {INDEXED_DAYS} days, of {len(kinds)} kind(s)."


def _transformations(_: Adapters) -> str:
    return f"{dbt_manifest()} is up to date."


def _dbt_docs(adapters: Adapters) -> str:
    """Where the page is, and whether it is of the project as it is now."""
    docs, port = adapters.dbt_docs, read_ports(adapters.settings.home).get("dbt_docs")
    if docs.failure.exists():
        raise UnhealthyError(
            f"The dbt docs could not be built, so {'an older page is' if docs.page.exists() else 'none is'} "
            f"served; {docs.failure} says why. `cardops up` tries again when it starts."
        )
    if port is None or not accepts_connections(port):
        return f"{_age(adapters)}`cardops up` serves them and prints where."
    return f"{_age(adapters)}Served at http://{HOST}:{port}."


def _age(adapters: Adapters) -> str:
    docs = adapters.dbt_docs
    if docs.is_current():
        return ""
    return "Of a former project. " if docs.page.exists() else "Not built yet. "


def _services(adapters: Adapters) -> str:
    home = adapters.settings.home
    ports = read_ports(home) or {
        name: getattr(adapters.settings, f"{name}_port") or default
        for name, default in DEFAULTS.items()
    }
    running = [f"{name} on {port}" for name, port in ports.items() if accepts_connections(port)]
    if not running:
        return "None is running; `cardops up` starts them."
    return f"Running: {', '.join(running)}."
