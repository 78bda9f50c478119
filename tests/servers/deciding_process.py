"""A process that decides as fast as it can, and voids ids that others are deciding: run as a script.

Arguments: the database's URL and a seed. It runs until its standard input ends, then prints the
voids that succeeded and the number of its decisions, as JSON.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.authorizations.actions import ActionKind, ActionResult, AuthorizationAction
from cardops.rules.authorizations.decisions import (
    AuthorizationRequest,
    ResponseKind,
    StoreUnavailableError,
)
from tests.factories.authorizations import PROGRAM, a_request

ROOT = Path(__file__).resolve().parents[2]
USERS = [f"user_{number:04}" for number in range(2_000)]
BATCH = 16
MAX_AMOUNT_MINOR = 100
# So many ids a second are decided by every process, and voided by some: the races.
SHARED_IDS_PER_SECOND = 20


def shared_request(number: int) -> AuthorizationRequest:
    """The same request in every process."""
    return a_request(
        f"s{number}", user_id=USERS[number % len(USERS)], amount_minor=1, is_capture=False
    )


class Deciding:
    """Decisions and voids of one process."""

    def __init__(self, store: PostgresAuthorizations, seed: str) -> None:
        self.store, self.seed = store, seed
        self.chance = random.Random(seed)  # noqa: S311 - must be reproducible
        self.is_over = False
        self.count = self.undecided = 0
        self.voided: list[str] = []

    async def decide(self, turn: int) -> None:
        """Batches one after the other; each has an id that other processes decide or void now."""
        while not self.is_over:
            shared = int(time.time() * SHARED_IDS_PER_SECOND)
            requests = [
                a_request(
                    f"{self.seed}-{turn}-{self.count + place}",
                    user_id=self.chance.choice(USERS[turn::2]),
                    amount_minor=self.chance.randrange(1, MAX_AMOUNT_MINOR),
                )
                for place in range(BATCH)
            ]
            requests[self.chance.randrange(BATCH)] = shared_request(shared)
            responses = await self.store.decide(requests)
            self.count += BATCH
            self.undecided += sum(r.kind is ResponseKind.UNDECIDED for r in responses)

    async def void(self) -> None:
        while not self.is_over:
            number = int(time.time() * SHARED_IDS_PER_SECOND) + self.chance.randrange(2)
            action = AuthorizationAction(ActionKind.VOID, PROGRAM, f"s{number}")
            try:
                (response,) = await self.store.apply([action])
            except StoreUnavailableError:
                continue
            if response.result in {ActionResult.DONE, ActionResult.REPLAYED}:
                self.voided.append(action.transaction_id)
            await asyncio.sleep(self.chance.random() * 0.1)


async def main(url: str, seed: str) -> None:
    pool = await open_pool(url)
    deciding = Deciding(PostgresAuthorizations(pool), seed)
    work = [asyncio.create_task(deciding.decide(turn)) for turn in range(2)]
    work.append(asyncio.create_task(deciding.void()))
    print("ready", flush=True)  # noqa: T201 - read by the test
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    deciding.is_over = True
    await asyncio.gather(*work)
    pool.terminate()
    result = {
        "voided": deciding.voided,
        "decided": deciding.count,
        "undecided": deciding.undecided,
    }
    print(json.dumps(result), flush=True)  # noqa: T201 - read by the test


class Processes:
    """The running processes; `stop` ends them and returns what they printed."""

    def __init__(self, processes: "list[subprocess.Popen[str]]") -> None:
        self.processes = processes

    def stop(self) -> list[dict[str, Any]]:
        return [json.loads(process.communicate(timeout=60)[0]) for process in self.processes]


@contextmanager
def deciding_processes(url: str, count: int) -> Iterator[Processes]:
    """So many processes, all of them at work."""
    with ExitStack() as stack:
        processes = []
        for number in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.servers.deciding_process", url, f"p{number}"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield Processes(processes)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
