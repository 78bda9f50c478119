"""Pages of two running homes, in turns: `python -m benchmarks room_pages YOUNG_HOME OLD_HOME`.

Each home gets a `cardops up` of its own, both at the same time, and one Chromium opens the same pages of both. A page
has answered when what it is about can be seen: a date, a run, a check, a sensor, none of which is there before the
server has answered. Daemon and intake worker are stopped meanwhile: what they find in a home would be measured, too.

Printed: medians of both in seconds, and old ÷ young. Needs Chromium and the test tools; Linux only.
"""

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

from playwright.sync_api import BrowserContext

from benchmarks.idle import processes, services
from benchmarks.servers import control_room
from tests.factories.browsers import chromium, new_profile

ROUNDS: Final = 3
NAMES: Final = ("young", "old")
PATIENCE_MILLISECONDS: Final = 120_000
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
    paths = [Path(name).absolute() for name in arguments]
    if len(paths) != len(NAMES) or not all((path / "postgres").is_dir() for path in paths):
        raise SystemExit(
            "Name two homes of `python -m benchmarks simulated_year`, the young first."
        )
    homes = dict(zip(NAMES, paths, strict=True))
    with ExitStack() as stack:
        browser = stack.enter_context(chromium())
        rooms = {}
        for name, home in homes.items():
            url = stack.enter_context(_at_rest(home))
            context = new_profile(browser, PATIENCE_MILLISECONDS)
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
def _at_rest(home: Path) -> Iterator[str]:
    """The address of the UI of a `cardops up` whose daemon and intake worker stand still."""
    with control_room(home) as addresses:
        pids = [pid for name, pid in services(home, processes()).items() if name in AT_REST]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield addresses["ui"]
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
