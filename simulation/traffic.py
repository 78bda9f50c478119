"""Purchase traffic: posts a day's authorization requests and compares each response with the truth.

Belongs here: the partner's side of HTTP. The requests of each user are sent in order, many users at
once. After a 429, a 503 or a lost connection a request is retried under the same transaction id,
which makes the retry idempotent.
"""

import asyncio
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp

from cardops.rules.errors import ExplainedError
from simulation.money_text import EXPONENTS

PATH: Final = "/v1/authorizations"
DEFAULT_CONCURRENCY: Final = 48
MAX_ATTEMPTS: Final = 12
MAX_PAUSE_SECONDS: Final = 5.0
TIMEOUT_SECONDS: Final = 30.0
MAX_MISMATCHES_STORED: Final = 20
_RETRIED_STATUSES: Final = frozenset({429, 503})
_HTTP_OK: Final = 200

Expected = Mapping[str, Any]


class NoResponseError(ExplainedError):
    """The authorizer did not decide a request in any attempt; going on would take for ever."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The authorizer did not respond to a request in {MAX_ATTEMPTS} attempts, so the "
            f"traffic was stopped: {why[:200]}"
        )


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A response that differs from the expected one."""

    transaction_id: str
    expected: str
    received: str


@dataclass(slots=True)
class TrafficReport:
    """The responses: how many of each, how fast, and where they differ from the truth."""

    statuses: Counter[str] = field(default_factory=Counter)
    reason_codes: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    retries: int = 0
    mismatch_count: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """Requests that got a response of any kind."""
        return len(self.latencies_ms)

    def percentile_ms(self, percent: int) -> float:
        """The latency within which so many percent of the responses arrived."""
        if not self.latencies_ms:
            return 0.0
        ranked = sorted(self.latencies_ms)
        return ranked[min(len(ranked) - 1, len(ranked) * percent // 100)]

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "answered": self.answered,
            "permits": self.statuses["PERMIT"],
            "rejects": self.statuses["REJECT"],
            "reason_codes": dict(sorted(self.reason_codes.items())),
            "replayed": self.replayed,
            "retries": self.retries,
            "mismatches": self.mismatch_count,
            "p50_ms": round(self.percentile_ms(50), 2),
            "p99_ms": round(self.percentile_ms(99), 2),
            "seconds": round(self.seconds, 2),
        }


def run_traffic(
    base_url: str,
    key: str,
    requests_path: Path,
    expected: Sequence[Expected],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    on_response: Callable[[], None] = lambda: None,
) -> TrafficReport:
    """Post every line of the file; `expected` has truth.json's responses in the same order.

    Raises NoResponseError.
    """
    bodies = requests_path.read_bytes().splitlines()
    if len(bodies) != len(expected):
        raise ValueError(f"{len(bodies)} requests but {len(expected)} expected responses")
    user_queues = _user_queues(zip(bodies, expected, strict=True), concurrency)
    try:
        return asyncio.run(_drive(base_url, key, user_queues, on_response))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _drive(
    base_url: str,
    key: str,
    user_queues: Sequence[Sequence[tuple[bytes, Expected]]],
    on_response: Callable[[], None],
) -> TrafficReport:
    report = TrafficReport()
    started = time.perf_counter()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    async with (
        aiohttp.ClientSession(
            base_url,
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            trust_env=False,
        ) as session,
        asyncio.TaskGroup() as group,
    ):
        for queue in user_queues:
            group.create_task(_send_in_order(session, queue, report, on_response))
    report.seconds = time.perf_counter() - started
    return report


def _user_queues(
    pairs: Iterable[tuple[bytes, Expected]], count: int
) -> list[list[tuple[bytes, Expected]]]:
    """A user's requests are all in one queue, so that they stay in order."""
    queues: list[list[tuple[bytes, Expected]]] = [[] for _ in range(count)]
    for body, expected in pairs:
        queues[zlib.crc32(str(expected["user_id"]).encode()) % count].append((body, expected))
    return [queue for queue in queues if queue]


async def _send_in_order(
    session: aiohttp.ClientSession,
    queue: Sequence[tuple[bytes, Expected]],
    report: TrafficReport,
    on_response: Callable[[], None],
) -> None:
    for body, expected in queue:
        started = time.perf_counter()
        status, content, is_replay = await _post(session, body, report)
        report.latencies_ms.append((time.perf_counter() - started) * 1000)
        report.replayed += is_replay
        _compare(report, expected, status, content)
        on_response()


async def _post(
    session: aiohttp.ClientSession, body: bytes, report: TrafficReport
) -> tuple[int, bytes, bool]:
    """Post until there is a decision or a final error. Raises NoResponseError."""
    why = b""
    for attempt in range(MAX_ATTEMPTS):
        pause = min(MAX_PAUSE_SECONDS, 0.05 * 2**attempt)
        try:
            async with session.post(PATH, data=body) as response:
                why = await response.read()
                if response.status not in _RETRIED_STATUSES:
                    return (
                        response.status,
                        why,
                        response.headers.get("idempotent-replayed") == "true",
                    )
                pause = _pause(response.headers.get("retry-after"), pause)
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error).encode()
        report.retries += 1
        await asyncio.sleep(pause)
    raise NoResponseError(why.decode(errors="replace"))


def _pause(retry_after: str | None, otherwise: float) -> float:
    if retry_after is None or not retry_after.isdigit():
        return otherwise
    return min(MAX_PAUSE_SECONDS, float(retry_after))


def _compare(report: TrafficReport, expected: Expected, status: int, content: bytes) -> None:
    received = (
        _decision(content) if status == _HTTP_OK else (f"HTTP {status}", content[:200].decode(), 0)
    )
    wanted = (expected["status"], expected["reason_code"], expected["remaining"])
    report.statuses[received[0]] += 1
    report.reason_codes[received[1] if status == _HTTP_OK else received[0]] += 1
    if received == wanted:
        return
    report.mismatch_count += 1
    if len(report.mismatches) < MAX_MISMATCHES_STORED:
        mismatch = Mismatch(str(expected["transaction_id"]), str(wanted), str(received))
        report.mismatches.append(mismatch)


def _decision(content: bytes) -> tuple[str, str, int]:
    """Status, reason code and remaining credit in minor units, read exactly."""
    response = json.loads(content, parse_float=Decimal, parse_int=Decimal)
    exponent = EXPONENTS[response["currency"]]
    remaining = Decimal(response["remaining_credit"]).scaleb(exponent)
    return response["status"], response["reason_code"], int(remaining)
