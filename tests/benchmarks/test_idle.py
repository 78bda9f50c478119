"""The services of which the cost of an idle `cardops up` is told."""

import os
from pathlib import Path

import pytest

from benchmarks.idle import Process, cpu_seconds, processes, services


def a_process(pid: int, parent: int, *command: str) -> Process:
    return Process(pid, parent, command, 1.0, 2.0)


def test_each_service_has_a_name_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "cluster" / "data"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text("9\nmore\n")
    workspace = str(tmp_path / "run" / "workspace.yaml")
    found = [
        a_process(1, 0, "cardops", "up"),
        a_process(2, 1, "python", "-m", "orchestration.ui.webserver", "--workspace", workspace),
        a_process(3, 1, "python", "-m", "dagster._daemon", "run", "-w", workspace),
        a_process(4, 1, "python", "-m", "orchestration.cli.main", "authorizer"),
        a_process(5, 1, "python", "-m", "orchestration.cli.main", "intake"),
        a_process(6, 5, "python", "-m", "other"),
        a_process(9, 0, "postgres"),
    ]

    named = services(tmp_path, {process.pid: process for process in found})

    assert named == {
        "up": 1,
        "webserver": 2,
        "_daemon": 3,
        "authorizer": 4,
        "intake": 5,
        "postgresql": 9,
    }


def test_home_without_services_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="start it, and wait until it is ready"):
        services(tmp_path, {})


def test_seconds_of_a_running_process_grow() -> None:
    own = os.getpid()
    assert processes()[own].parent == os.getppid()
    before = cpu_seconds({"this": own})["this"]
    while cpu_seconds({"this": own})["this"] == before:
        sum(range(100_000))
