"""Pages of two running homes, in turns: `python -m benchmarks room_pages YOUNG_HOME OLD_HOME`.

Each home gets a `cardops up` of its own, both at the same time, and one Chromium opens the same pages of both. A page
has answered when what it is about can be seen: a date, a run, a check, a sensor, none of which is there before the
server has answered. Daemon and intake worker are stopped meanwhile: what they find in a home would be measured, too.

Printed: medians of both in seconds, and old ÷ young. Needs Chromium and the test tools; Linux only.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

from playwright.sync_api import BrowserContext

from benchmarks.idle import processes, services
from tests.factories.browsers import chromium

ROOT: Final = Path(__file__).resolve().parents[1]
ROUNDS: Final = 3
PATIENCE_MILLISECONDS: Final = 120_000
# What a new profile is asked first lies over the page: it counts as answered.
ANSWERED: Final = "localStorage.setItem('communityNux', '1')"
AT_REST: Final = frozenset({"_daemon", "intake"})
YESTERDAY: Final = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
# Stands for the newest date of which balances were made.
NEWEST: Final = "the newest date"
MADE: Final = """{ assetOrError(assetKey: {path: ["balances"]}) { ... on Asset {
    assetMaterializations(limit: 1) { partition } } } }"""
# Path of each page, and a text that is there when it has answered.
PAGES: Final[Mapping[str, tuple[str, str]]] = {
    "graph": ("/asset-groups", "analytics"),
    "catalog": ("/assets", "chargeback_deliveries"),
    "an asset": ("/assets/balances?view=overview", NEWEST),
    "its partitions": ("/assets/balances?view=partitions", YESTERDAY),
    "its events": ("/assets/balances?view=events", NEWEST),
    "its checks": ("/assets/deposits?view=checks", "every_deposit_file_can_be_read"),
    "runs": ("/runs", "daily_close"),
    "sensors": ("/automation", "alarm_sensor"),
}


@dataclass(frozen=True, slots=True)
class Room:
    """A running home, and a browser's profile of its own in front of it."""

    url: str
    context: BrowserContext
    newest: str

    def page_seconds(self, path: str, text: str) -> float:
        """From asking for the page until the text can be seen."""
        page = self.context.new_page()
        try:
            began = time.monotonic()
            page.goto(self.url + path)
            page.get_by_text(self.newest if text == NEWEST else text).first.wait_for(
                state="visible"
            )
            return time.monotonic() - began
        finally:
            page.close()


def main(arguments: list[str]) -> None:
    """Exits with a message where the two homes are not there."""
    homes = dict(zip(("young", "old"), (Path(name).absolute() for name in arguments), strict=False))
    if [home for home in homes.values() if (home / "postgres").is_dir()] != [*homes.values()][:2]:
        raise SystemExit(
            "Name two homes of `python -m benchmarks simulated_year`, the young first."
        )
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        rooms = {}
        for name, home in homes.items():
            context = browser.new_context()
            context.set_default_timeout(PATIENCE_MILLISECONDS)
            context.add_init_script(ANSWERED)
            url = stack.enter_context(_up(home))
            rooms[name] = Room(url, context, _newest_date(url))
        found = _pages(rooms)
    for name, seconds in found.items():
        ratio = seconds["old"] / seconds["young"]
        line = f"{name:40} {seconds['young']:8.3f} s {seconds['old']:8.3f} s {ratio:6.2f}"
        sys.stdout.write(f"{line}\n")


def _newest_date(url: str) -> str:
    request = urllib.request.Request(  # noqa: S310 - our own address
        url + "/graphql",
        data=json.dumps({"query": MADE}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
        made = json.load(response)["data"]["assetOrError"]["assetMaterializations"]
    return str(made[0]["partition"])


def _pages(rooms: Mapping[str, Room]) -> Mapping[str, Mapping[str, float]]:
    """The median of each page in each room; scripts are loaded and compiled in a round before."""
    seconds: dict[str, dict[str, list[float]]] = {
        page: {name: [] for name in rooms} for page in PAGES
    }
    opened = [(page, name) for page in PAGES for name in rooms]
    for number, (page, name) in product(range(ROUNDS + 1), opened):
        taken = rooms[name].page_seconds(*PAGES[page])
        if number:
            seconds[page][name].append(taken)
    return {
        page: {name: median(found) for name, found in by_room.items()}
        for page, by_room in seconds.items()
    }


@contextmanager
def _up(home: Path) -> Iterator[str]:
    """The address of the UI of a `cardops up`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("CARDOPS_")
    }
    with subprocess.Popen(
        [sys.executable, "-m", "orchestration.cli.main", "up", "--json"],
        cwd=ROOT,
        env={**inherited, "CARDOPS_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"cardops up of {home} ended before it was ready.")
            at_rest = [pid for name, pid in services(home, processes()).items() if name in AT_REST]
            for pid in at_rest:
                os.kill(pid, signal.SIGSTOP)
            yield json.loads(line)["ui"]
            for pid in at_rest:
                os.kill(pid, signal.SIGCONT)
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
