"""What a command of Dagster itself (`dagster job backfill`, `dg launch`) changes, for the audit trail.

Belongs here: whether this process is such a command, and the entry of what it is about to change. What it changes
passes through the storage of runs and events, as everything of the instance does.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final

from cardops.ports import AuditTrail
from cardops.rules.audit import AuditEntry, AuditResult, Origin
from orchestration.account import whoami

PROGRAMS: Final = frozenset({"dagster", "dg"})
# Dagster starts these itself: code servers, runs of the queue, and what `dagster dev` begins.
SERVICES: Final = frozenset({"api", "code-server", "dev"})
_PARTITION: Final = "dagster/partition"


def command_of(arguments: Sequence[str]) -> str | None:
    """The words of Dagster's command that this process is; None in every other process.

    `arguments` begin with the program, as sys.argv does.
    """
    program = Path(arguments[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    words = list(takewhile(lambda word: not word.startswith("-"), arguments[1:]))[:2]
    if name not in PROGRAMS or not words or words[0] in SERVICES:
        return None
    return " ".join([name, *words])


def run_subject(job_name: str, assets: Sequence[str], tags: Mapping[str, str]) -> str:
    """What a run makes, in the words of the trail."""
    made = f"asset {' '.join(sorted(assets))}" if assets else f"job {job_name}"
    partition = tags.get(_PARTITION)
    return f"{made}, partition {partition}" if partition else made


@contextmanager
def recorded(action: str, subject: str, detail: str = "") -> Iterator[None]:
    """Record the change where this process is a command of Dagster.

    Raises AuditUnavailableError before anything is changed.
    """
    command = command_of(sys.argv)
    if command is None:
        yield
        return
    trail, account = _trail(), whoami()
    entry_id = trail.begin(AuditEntry(Origin.COMMAND, account, account, action, subject))
    try:
        yield
    except BaseException as error:
        trail.finish(entry_id, AuditResult.FAILED, f"{command}: {type(error).__name__}")
        raise
    trail.finish(entry_id, AuditResult.DONE, f"{command}: {detail}" if detail else command)


def _trail() -> AuditTrail:
    # Loads what no other process with this storage needs.
    from cardops.bootstrap import Adapters  # noqa: PLC0415
    from cardops.settings import Settings  # noqa: PLC0415

    return Adapters(Settings.load()).audit_trail
