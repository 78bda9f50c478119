"""Runs inside a command or the intake worker: whose process each is, and the end of those left open.

Belongs here: the tag that names a run's process. Dagster watches the runs that it starts itself; one
whose process was killed stays open unless somebody ends it.
"""

import os
import socket
from collections.abc import Iterable
from typing import Final

import dagster as dg

PROCESS_TAG: Final = "cardops/process"  # host and process id of a run inside a command


def process_tag() -> str:
    """Host and process id, by which other processes of this machine find this one."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_process_alive(tag: str | None) -> bool:
    """Whether the process of a tag still runs; assumed for a process of another machine."""
    if tag is None:
        return False
    host, _, pid = tag.rpartition(":")
    return host != socket.gethostname() or (pid.isdecimal() and _exists(int(pid)))


def end_killed_runs(instance: dg.DagsterInstance, runs: Iterable[dg.DagsterRun]) -> set[str]:
    """Fail those of these runs whose process was killed, so that their files go on; their ids."""
    killed = [
        run
        for run in runs
        if PROCESS_TAG in run.tags and not is_process_alive(run.tags[PROCESS_TAG])
    ]
    for run in killed:
        end_run(instance, run)
    return {run.run_id for run in killed}


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Record that a run failed, because its process is gone."""
    instance.report_run_failed(
        run, "The process of this run is gone; the run can be started again."
    )


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
