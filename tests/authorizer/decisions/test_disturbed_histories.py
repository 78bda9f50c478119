"""Histories while operators block, limits change, a process is paused and clocks disagree."""

import asyncio
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from tests.oracles.histories import Event
from tests.oracles.history_runs import SETTINGS, assert_legal, recorded
from tests.oracles.ledger_totals import rows
from tests.oracles.limit_histories import Change, overruns
from tests.oracles.recording import PATH, Call
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.keep_alive import KeepAlive
from tests.servers.shifted_clock import COMMAND, FILE

pytestmark = [pytest.mark.database, pytest.mark.soak, pytest.mark.timeout(3_000)]

USERS = 40
# Longer than a write may take, shorter than the time after which its transaction is ended.
PAUSE_SECONDS = 4.0
SNAPSHOT_SECONDS = 60.0
ONE_HOUR, WITHIN_TOLERANCE = 3_600.0, 1.5
LOW, HIGH = (150, None), (100_000, None)
KIND = ("authorization", 0)
# What the load's own voids seldom meet: a void at one process, its authorization at the other.
VOIDED_FIRST = """
select d.transaction_id, d.status, h.state from decisions as d
left join holds as h using (program, transaction_id)
where d.transaction_id like 'race-%%'
"""


@dataclass
class Period:
    """The time for which a user was blocked for certain, by the clients' clock."""

    user: str
    returned: float
    ended: float


@dataclass
class Disturbance:
    """Does one thing after another to the processes and their users, and records when."""

    url: str
    home: Path
    chance: random.Random
    processes: list[AuthorizerProcess] = field(default_factory=list)
    blocks: list[Period] = field(default_factory=list)
    limits: list[Change] = field(default_factory=list)
    voided: list[str] = field(default_factory=list)
    pauses: int = 0
    refusals: int = 0
    _last_pause: float = 0.0

    def start(self, stack: ExitStack) -> Sequence[AuthorizerProcess]:
        """Two processes, whose clocks disagree by less than what they tolerate."""
        settings = [{**SETTINGS, FILE: str(self.home / f"shift-{number}")} for number in range(2)]
        self.shift(0, WITHIN_TOLERANCE)
        self.shift(1, -WITHIN_TOLERANCE)
        first = AuthorizerProcess(self.url, self.home, settings[0], command=COMMAND)
        self.processes = [stack.enter_context(first)]
        second = first.second_process(settings=settings[1])
        self.processes.append(stack.enter_context(second))
        return self.processes

    def shift(self, number: int, seconds: float) -> None:
        (self.home / f"shift-{number}").write_text(str(seconds))

    async def disturb(self) -> None:
        await self.block()
        await self.limit()
        await self.void_and_authorize()
        if time.monotonic() - self._last_pause > 5 * PAUSE_SECONDS:
            await self.pause_a_process()
            await self.set_a_clock_back()
            self._last_pause = time.monotonic()

    async def block(self) -> None:
        user, programs = f"user_{self.chance.randrange(USERS)}", PostgresPrograms(self.url)
        await asyncio.to_thread(programs.set_blocked, "default", user, is_blocked=True)
        returned = time.monotonic()
        await asyncio.sleep(0.2)
        self.blocks.append(Period(user, returned, time.monotonic()))
        await asyncio.to_thread(programs.set_blocked, "default", user, is_blocked=False)

    async def limit(self) -> None:
        user = self.chance.choice(["", f"user_{self.chance.randrange(USERS)}"])
        most, limits = self.chance.choice([LOW, HIGH]), PostgresSpendingLimits(self.url)
        limit = SpendingLimit(LimitKind(KIND[0]), *most)
        began = time.monotonic()
        await asyncio.to_thread(
            limits.change, "default", user, "USD", [limit], changed_by="operator"
        )
        self.limits.append(Change(began, time.monotonic(), user, KIND, most))

    async def void_and_authorize(self) -> None:
        """At both processes at once; the void's answer is remembered where it succeeded."""
        name, key = f"race-{len(self.limits)}", self.processes[0].key
        clients = [KeepAlive(process.port, key) for process in self.processes]
        self.chance.shuffle(clients)
        user = f"user_{self.chance.randrange(USERS)}"
        body = {"transaction_id": name, "user_id": user, "amount": "0.01", "capture": False}
        _, voided = await asyncio.gather(
            clients[0].authorize(body), clients[1].call("POST", f"{PATH}/{name}/void", {})
        )
        if voided.status == 200:
            self.voided.append(name)
        for client in clients:
            await client.close()

    async def pause_a_process(self) -> None:
        process = self.chance.choice(self.processes).process
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        process.send_signal(signal.SIGCONT)
        self.pauses += 1

    async def set_a_clock_back(self) -> None:
        """By an hour, for two seconds: the process refuses, and then serves again."""
        self.shift(1, -ONE_HOUR)
        await asyncio.sleep(2.0)
        reply = await asyncio.to_thread(self.processes[1].call, "GET", "/readyz", key=None)
        self.refusals += reply.status == 503
        self.shift(1, -WITHIN_TOLERANCE)


@contextmanager
def open_snapshot(url: str) -> Iterator[None]:
    """An analyst's snapshot that stays open: it delays nobody."""
    with psycopg.connect(url) as session:
        session.execute("set transaction isolation level repeatable read")
        session.execute("select count(*) from decisions, movements, accounts")
        yield


def permitted_while_blocked(events: Sequence[Event], periods: Sequence[Period]) -> list[str]:
    return [
        event.name
        for event in events
        if event.spent and event.is_effective
        for period in periods
        if event.began > period.returned and event.ended < period.ended
    ]


def assert_answered(calls: Sequence[Call], count: int) -> None:
    assert {call.status for call in calls} <= {200, 404, 409, 422, 503}
    unanswered = sum(call.status == 503 for call in calls)
    assert len(calls) - unanswered >= count, f"{unanswered} of {len(calls)} were answered 503"


@pytest.mark.parametrize(("count", "answered"), [(4_000, 2_500), (125_000, 100_000)])
async def test_disturbed_processes_have_a_legal_order(
    database_url: str, tmp_path: Path, count: int, answered: int
) -> None:
    chance = random.Random(count)  # noqa: S311 - must be reproducible
    disturbance = Disturbance(database_url, tmp_path, chance)
    began = time.monotonic()
    with open_snapshot(database_url):
        recorder, files = await recorded(
            database_url, tmp_path, users=USERS, count=count, seed=count,
            beside=disturbance.disturb, processes=disturbance.start,
        )  # fmt: skip
    seconds = time.monotonic() - began
    raced = {name: (status, state) for name, status, state in rows(database_url, VOIDED_FIRST)}
    observed = assert_legal(database_url, recorder, files)

    print(  # noqa: T201 - the figures of the proof
        f"{len(recorder.calls)} calls in {seconds:.0f} s, {len(disturbance.blocks)} blocks, "
        f"{len(disturbance.limits)} limits, {len(disturbance.voided)} races of a void, "
        f"{disturbance.pauses} pauses, {disturbance.refusals} refusals"
    )
    assert_answered(recorder.calls, answered)
    for user, events in observed.events.items():
        periods = [period for period in disturbance.blocks if period.user == user]
        assert permitted_while_blocked(events, periods) == [], user
        assert overruns(events, disturbance.limits, user) == [], user
    for name in disturbance.voided:
        assert raced.get(name, ("REJECT", None)) in {("REJECT", None), ("PERMIT", "voided")}, name
    assert min(disturbance.pauses, disturbance.refusals, len(disturbance.blocks)) > 0
    assert seconds > SNAPSHOT_SECONDS or count < 100_000
