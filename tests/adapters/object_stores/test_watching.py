"""The watch of a directory: it tells of files that are written, renamed and moved in, without a poll."""

import os
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from cardops.adapters.object_stores import watching
from cardops.adapters.object_stores.opening import open_watch
from cardops.adapters.object_stores.watching import DirectoryWatch, TimedWatch

PATIENCE_SECONDS = 30.0


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[DirectoryWatch]:
    """A watch that has begun."""
    made = DirectoryWatch(tmp_path)
    assert made.wait(PATIENCE_SECONDS) is None
    yield made
    made.close()


def told(watch: DirectoryWatch, key: str) -> bool:
    """Whether the watch tells of the key, or of everything, before a test gives up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        keys: Collection[str] | None = watch.wait(1.0)
        if keys is None or key in keys:
            return True
    return False


def test_first_look_is_at_everything_and_makes_the_folder(tmp_path: Path) -> None:
    watch = DirectoryWatch(tmp_path / "raw")

    assert watch.wait(PATIENCE_SECONDS) is None
    assert (tmp_path / "raw" / "incoming").is_dir()
    watch.close()


def test_written_and_renamed_files_are_told_by_their_keys(
    watch: DirectoryWatch, tmp_path: Path
) -> None:
    folder = tmp_path / "incoming"
    (folder / "written.csv").write_text("a")
    assert told(watch, "incoming/written.csv")

    (folder / "renamed.csv.part").write_text("a")
    (folder / "renamed.csv.part").rename(folder / "renamed.csv")
    assert told(watch, "incoming/renamed.csv")


def test_file_in_a_folder_made_later_is_told(watch: DirectoryWatch, tmp_path: Path) -> None:
    folder = tmp_path / "incoming" / "deposits" / "acme"
    folder.mkdir(parents=True)
    assert told(watch, "incoming/deposits/acme")

    (folder / "a.csv").write_text("a")
    assert told(watch, "incoming/deposits/acme/a.csv")


def test_folder_moved_in_with_its_files_is_a_look_at_everything(
    watch: DirectoryWatch, tmp_path: Path
) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a.csv").write_text("a")
    (tmp_path / "made").rename(tmp_path / "incoming" / "deposits")

    assert watch.wait(PATIENCE_SECONDS) is None


def test_folder_that_was_made_again_is_watched_again(watch: DirectoryWatch, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()  # takes no inode that the folder had
    shutil.rmtree(tmp_path / "incoming")
    (tmp_path / "other").rename(tmp_path / "incoming")
    assert told(watch, "anything")

    (tmp_path / "incoming" / "a.csv").write_text("a")
    assert told(watch, "incoming/a.csv")


def test_closing_ends_a_wait(watch: DirectoryWatch) -> None:
    timer = threading.Timer(0.1, watch.close)
    timer.start()

    assert not watch.wait(600.0)
    timer.join()


def test_watch_that_is_closed_before_it_began_tells_nothing_more(tmp_path: Path) -> None:
    watch = DirectoryWatch(tmp_path)
    timer = threading.Timer(0.1, watch.close)  # within the first round
    timer.start()

    assert watch.wait(PATIENCE_SECONDS) is None
    assert watch.wait(PATIENCE_SECONDS) == ()
    timer.join()


def test_directory_without_kernel_events_is_listed_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> Iterator[object]:
        yield from ()
        raise RuntimeError("OS file watch limit reached")

    monkeypatch.setattr(watching, "watch", refused)
    monkeypatch.setattr(watching, "LISTING_SECONDS", 0.01)
    watch = DirectoryWatch(tmp_path)

    assert [watch.wait(1.0) for _ in range(3)] == [None, None, None]
    assert "fs.inotify.max_user_watches" in caplog.text


def test_bucket_without_events_is_listed_as_time_passes() -> None:
    watch = open_watch("s3://cards/raw")
    assert isinstance(watch, TimedWatch)
    watch.close()
    assert watch.wait(600.0) == ()

    assert TimedWatch(0.01).wait(600.0) is None


def test_name_that_is_no_text_ends_no_watch(watch: DirectoryWatch, tmp_path: Path) -> None:
    incoming = os.fsencode(tmp_path / "incoming")
    Path(os.fsdecode(incoming + b"/bad\xff\xfe.csv")).write_text("a")
    assert told(watch, "anything"), "what it cannot name is among everything"

    (tmp_path / "incoming" / "good.csv").write_text("a")
    assert told(watch, "incoming/good.csv")
