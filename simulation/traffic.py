"""Purchase traffic: posts a day's authorization requests and compares each answer with the truth.

Belongs here: the partner's side of HTTP. Each user's requests go out in their order, many users at
once; what the authorizer cannot answer now (429, 503, a lost connection) is asked again, under the
same id, which is what makes that safe.
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

from simulation.money_text import EXPONENTS

PATH: Final = "/v1/authorizations"
DEFAULT_CONCURRENCY: Final = 48
MAX_ATTEMPTS: Final = 12
MAX_PAUSE_SECONDS: Final = 5.0
TIMEOUT_SECONDS: Final = 30.0
MAX_MISMATCHES_KEPT: Final = 20
_ASK_AGAIN: Final = frozenset({429, 503})
_HTTP_OK: Final = 200

Expected = Mapping[str, Any]


class NoAnswerError(RuntimeError):
    """The authorizer gave no answer, however often it was asked; going on would take for ever."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The authorizer did not answer a request in {MAX_ATTEMPTS} tries, so the traffic was "
            f"stopped: {why[:200]}"
        )


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An answer that is not the one that is right."""

    transaction_id: str
    expected: str
    answered: str


@dataclass(slots=True)
class TrafficReport:
    """What was answered, how fast, and where it differs from the truth."""

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
        """Requests with an answer of any kind."""
        return len(self.latencies_ms)

    def percentile_ms(self, percent: int) -> float:
        """The latency that so many percent of the answers stayed within."""
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
    on_answer: Callable[[], None] = lambda: None,
) -> TrafficReport:
    """Post every line of the file; `expected` are truth.json's answers, in the same order.

    Raises NoAnswerError.
    """
    bodies = requests_path.read_bytes().splitlines()
    if len(bodies) != len(expected):
        raise ValueError(f"{len(bodies)} requests but {len(expected)} expected answers")
    host_queues = _lanes(zip(bodies, expected, strict=True), concurrency)
    try:
        return asyncio.run(_drive(base_url, key, host_queues, on_answer))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _drive(
    base_url: str,
    key: str,
    host_queues: Sequence[Sequence[tuple[bytes, Expected]]],
    on_answer: Callable[[], None],
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
        for host_queue in host_queues:
            group.create_task(_send_lane(session, host_queue, report, on_answer))
    report.seconds = time.perf_counter() - started
    return report


def _lanes(
    pairs: Iterable[tuple[bytes, Expected]], count: int
) -> list[list[tuple[bytes, Expected]]]:
    """One user is always in one lane, so that their requests stay in order."""
    host_queues: list[list[tuple[bytes, Expected]]] = [[] for _ in range(count)]
    for body, expected in pairs:
        host_queues[zlib.crc32(str(expected["user_id"]).encode()) % count].append((body, expected))
    return [host_queue for host_queue in host_queues if host_queue]


async def _send_lane(
    session: aiohttp.ClientSession,
    host_queue: Sequence[tuple[bytes, Expected]],
    report: TrafficReport,
    on_answer: Callable[[], None],
) -> None:
    for body, expected in host_queue:
        started = time.perf_counter()
        status, content, is_replay = await _post(session, body, report)
        report.latencies_ms.append((time.perf_counter() - started) * 1000)
        report.replayed += is_replay
        _compare(report, expected, status, content)
        on_answer()


async def _post(
    session: aiohttp.ClientSession, body: bytes, report: TrafficReport
) -> tuple[int, bytes, bool]:
    """Ask until there is an answer. Raises NoAnswerError."""
    why = b""
    for attempt in range(MAX_ATTEMPTS):
        pause = min(MAX_PAUSE_SECONDS, 0.05 * 2**attempt)
        try:
            async with session.post(PATH, data=body) as response:
                why = await response.read()
                if response.status not in _ASK_AGAIN:
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
    raise NoAnswerError(why.decode(errors="replace"))


def _pause(retry_after: str | None, otherwise: float) -> float:
    if retry_after is None or not retry_after.isdigit():
        return otherwise
    return min(MAX_PAUSE_SECONDS, float(retry_after))


def _compare(report: TrafficReport, expected: Expected, status: int, content: bytes) -> None:
    answered = (
        _told(content) if status == _HTTP_OK else (f"HTTP {status}", content[:200].decode(), 0)
    )
    right = (expected["status"], expected["reason_code"], expected["remaining"])
    report.statuses[answered[0]] += 1
    report.reason_codes[answered[1] if status == _HTTP_OK else answered[0]] += 1
    if answered == right:
        return
    report.mismatch_count += 1
    if len(report.mismatches) < MAX_MISMATCHES_KEPT:
        mismatch = Mismatch(str(expected["transaction_id"]), str(right), str(answered))
        report.mismatches.append(mismatch)


def _told(content: bytes) -> tuple[str, str, int]:
    """Status, reason code and remaining credit in minor units, read exactly."""
    response = json.loads(content, parse_float=Decimal, parse_int=Decimal)
    exponent = EXPONENTS[response["currency"]]
    remaining = Decimal(response["remaining_credit"]).scaleb(exponent)
    return response["status"], response["reason_code"], int(remaining)
