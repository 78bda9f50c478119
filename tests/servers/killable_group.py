"""Ingests small files together, each group in a process that dies at another step: run as a script.

Arguments: the database's URL, the folder of the stores, and for each group its intake ids, joined by
commas, a colon and the step. The steps are those of `killable_recall`.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cardops.services.intake.ingestion import ingest_files
from tests.factories.deposit_desk import DepositDesk
from tests.servers.killable_recall import ROOT, die_before


def die_in_groups(url: str, folder: Path, groups: Sequence[tuple[Sequence[int], int]]) -> list[int]:
    """The signal or exit code with which the process of each group ended."""
    words = [f"{','.join(map(str, intake_ids))}:{step}" for intake_ids, step in groups]
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.killable_group", url, str(folder), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


def main(url: str, folder: str, *groups: str) -> None:
    for group in groups:
        intake_ids, _, step = group.partition(":")
        desk = DepositDesk(url, Path(folder))
        files = [desk.intake_ledger.find(int(intake_id)) for intake_id in intake_ids.split(",")]
        # Nothing that starts threads was used yet, so that a forked process is a whole one.
        child = os.fork()
        if child == 0:
            die_before(int(step))
            ingest_files(files, (), desk.ports)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(*sys.argv[1:])
