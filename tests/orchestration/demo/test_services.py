"""The processes that a demo starts outside its own."""

from pathlib import Path

import pytest

from cardops.settings import Settings
from orchestration.demo.services import NEEDED, outside_processes
from orchestration.local.supervisor import Supervisor


def test_demo_finds_a_port_for_every_service_that_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[str]()
    monkeypatch.setattr(
        Supervisor, "start", lambda _, needed: started.extend(service.name for service in needed)
    )

    with outside_processes(Settings(home=tmp_path)) as processes:
        processes.started.result()

    assert sorted(started) == sorted(NEEDED)
