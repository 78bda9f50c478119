"""Analysts read the published marts while they are published, and while a publisher fails or dies."""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import duckdb
import pytest

from cardops.adapters.warehouse import duckdb_warehouse, publications
from cardops.adapters.warehouse.duckdb_warehouse import open_published
from cardops.adapters.warehouse.publications import KEPT_PUBLICATIONS, PublicationFailedError
from tests.factories.marts import a_build, build_seen

PUBLISHERS_FILES = (duckdb_warehouse.__file__, publications.__file__)
# A publication executes some 80 lines of these two modules.
EVERY = 29


def folders(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "published").iterdir() if path.is_dir())


def read_until_told(home: Path, outcome: Connection) -> None:
    """A new session each time, as many as there is time for."""
    seen: list[int] | str = []
    outcome.send("ready")
    try:
        while not outcome.poll(0.01):
            with open_published(home) as session:
                seen = [*seen, build_seen(session), build_seen(session)]
    except Exception as error:  # noqa: BLE001 - the test reports it
        seen = repr(error)
    outcome.send(seen)


def hold_until_told(home: Path, outcome: Connection) -> None:
    """One session held open throughout, as a BI tool holds it."""
    with duckdb.connect(str(home / "published" / "cardops.duckdb"), read_only=True) as session:
        outcome.send(f"holds {build_seen(session)}")
        outcome.recv()
        try:
            outcome.send([build_seen(session)])
        except Exception as error:  # noqa: BLE001 - the test reports it
            outcome.send(repr(error))


@contextmanager
def reader(target: Callable[[Path, Connection], None], home: Path) -> Iterator[Connection]:
    """A process that reads; the test talks to it over the connection."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=target, args=(home, theirs))
    process.start()
    try:
        yield ours
        process.join()
    finally:
        process.kill()


def in_a_fork(action: Callable[[], Any]) -> int:
    """The exit code, or the negative signal, of a child that only does this."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except PublicationFailedError:
            os._exit(3)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at_line(number: int) -> None:
    """Kill this process before the publisher's line of that number, counted as they are executed."""
    executed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal executed
        if frame.f_code.co_filename not in PUBLISHERS_FILES:
            return None
        if event == "line":
            executed += 1
            if executed == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def die_between_marts_and_views(home: Path) -> None:
    """Only in a fork."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            duckdb_warehouse, "write_views", lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        )
        a_build_published(home)


@pytest.mark.parametrize("publishes", [7, pytest.param(20, marks=pytest.mark.soak)])
def test_readers_see_whole_publications_while_a_publisher_dies(
    tmp_path: Path, publishes: int
) -> None:
    a_build(tmp_path, 1).publish()
    with reader(hold_until_told, tmp_path) as holder, reader(read_until_told, tmp_path) as looper:
        assert [holder.recv(), looper.recv()] == ["holds 1", "ready"]
        for number in range(2, publishes + 1):
            warehouse = a_build(tmp_path, number)
            if number == publishes // 2:
                assert in_a_fork(lambda: die_between_marts_and_views(tmp_path)) == -signal.SIGKILL
                assert f"{number:08d}" in folders(tmp_path)
            warehouse.publish()
        looper.send("stop")
        seen = looper.recv()
        # What somebody has open is kept beside the newest. The publisher that died used up a number.
        newest = [f"{number + 1:08d}" for number in range(publishes - 2, publishes + 1)]
        assert folders(tmp_path) == ["00000001", *newest]
        holder.send("stop")
        held = holder.recv()

    assert held == [1]
    assert isinstance(seen, list), seen
    assert seen == sorted(seen)
    assert len(set(seen)) > 1
    a_build(tmp_path, publishes + 1).publish()
    assert folders(tmp_path) == [*newest[1:], f"{publishes + 2:08d}"]


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=pytest.mark.soak)])
def test_publisher_killed_at_any_line_leaves_a_whole_publication(
    tmp_path: Path, every: int
) -> None:
    a_build(tmp_path, 1).publish()
    last, line, ended = 1, 1, -signal.SIGKILL

    while ended == -signal.SIGKILL:
        number = last + 1
        a_build(tmp_path, number)
        ended = in_a_fork(lambda: (die_at_line(line), a_build_published(tmp_path)))  # noqa: B023 - called at once
        with open_published(tmp_path) as session:
            assert build_seen(session) in (last, number)
        last, line = number, line + every
        a_build(tmp_path, last).publish()
        assert len(folders(tmp_path)) <= KEPT_PUBLICATIONS

    assert ended == 0
    assert line > 2 * EVERY


def a_build_published(home: Path) -> None:
    duckdb_warehouse.DuckDbWarehouse(home).publish()


def test_killed_publishers_do_not_push_out_what_is_read(tmp_path: Path) -> None:
    a_build(tmp_path, 1).publish()
    for _ in range(KEPT_PUBLICATIONS + 1):
        in_a_fork(lambda: (die_at_line(30), a_build_published(tmp_path)))

    a_build(tmp_path, 2).publish()

    assert folders(tmp_path)[0] == "00000001"


def test_full_disk_keeps_the_former_publication(tmp_path: Path) -> None:
    warehouse = a_build(tmp_path, 1)
    warehouse.publish()
    a_build(tmp_path, 2)

    def publish_on_a_full_disk() -> None:
        # Larger than a lock file, smaller than any Parquet: writing fails in the middle of it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
        warehouse.publish()

    ended = in_a_fork(publish_on_a_full_disk)

    assert ended == 3
    assert folders(tmp_path) == ["00000001"]
    with open_published(tmp_path) as session:
        assert build_seen(session) == 1
