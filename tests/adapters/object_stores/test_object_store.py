"""One contract for every object store: the fake, a directory, and S3 (simulated by moto)."""

import os
import threading
import time
from pathlib import Path

import boto3
import pytest

from cardops.adapters.object_stores.opening import open_store
from cardops.ports import ObjectStore
from cardops.rules.intake.objects import (
    InvalidKeyError,
    ObjectExistsError,
    ObjectMissingError,
    ObjectStoreError,
)
from tests.fakes.object_store import FakeObjectStore


@pytest.fixture(params=["fake", "directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "fake":
        return FakeObjectStore()
    if request.param == "directory":
        return open_store((tmp_path / "store with spaces").as_uri())
    return open_store(request.getfixturevalue("s3_url"))


@pytest.fixture
def directory(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path.as_uri())


def test_stored_object_is_read_whole_and_as_a_stream(store: ObjectStore) -> None:
    store.create("incoming/deposits/a b,=#1%20ü.csv", b"one\ntwo\n")

    assert store.get("incoming/deposits/a b,=#1%20ü.csv") == b"one\ntwo\n"
    with store.open("incoming/deposits/a b,=#1%20ü.csv") as stream:
        assert stream.readline() == b"one\n"
        stream.seek(0)
        assert stream.read() == b"one\ntwo\n"


def test_stored_file_keeps_its_source_unchanged(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    content = bytes(range(256)) * 50_000
    source.write_bytes(content)

    store.create("created", source)
    store.replace("replaced", source)

    assert store.get("created") == content
    assert store.get("replaced") == content
    assert source.read_bytes() == content
    with store.open("replaced") as stream:
        stream.seek(-1000, os.SEEK_END)
        assert stream.read() == content[-1000:]


def test_listing_is_in_key_order_and_covers_nested_folders(store: ObjectStore) -> None:
    for key in ("b/z", "b/a/c", "b.txt", "a", "b/a.c", "ba"):
        store.create(key, b"x")

    assert [stat.key for stat in store.list_objects("b")] == [
        "b.txt",
        "b/a.c",
        "b/a/c",
        "b/z",
        "ba",
    ]
    assert [stat.key for stat in store.list_objects("b/")] == ["b/a.c", "b/a/c", "b/z"]
    assert [stat.key for stat in store.list_objects("b/a")] == ["b/a.c", "b/a/c"]
    assert next(stat.key for stat in store.list_objects("")) == "a"
    assert store.list_objects("nowhere/") == []


def test_folder_is_listed_without_what_its_folders_hold(store: ObjectStore) -> None:
    for key in ("top.csv", "in/b.csv", "in/a.csv", "in/deep/er/c.csv", "inner/d.csv"):
        store.create(key, b"x")

    root, folders = store.list_folder("")
    assert ([stat.key for stat in root], folders) == (["top.csv"], ["in/", "inner/"])
    objects, below = store.list_folder("in/")
    assert ([stat.key for stat in objects], below) == (["in/a.csv", "in/b.csv"], ["in/deep/"])
    assert list(objects) == [stat for stat in store.list_objects("in/") if "deep" not in stat.key]
    assert store.list_folder("nowhere/") == ([], [])


def test_creating_an_existing_object_is_refused(store: ObjectStore) -> None:
    store.create("a", b"first")

    with pytest.raises(ObjectExistsError, match="exists already"):
        store.create("a", b"second")

    assert store.get("a") == b"first"


def test_replacing_changes_the_version_and_the_size(store: ObjectStore) -> None:
    store.replace("a", b"first")
    (before,) = store.list_objects("a")
    store.replace("a", b"second")
    (after,) = store.list_objects("a")

    assert (before.size_bytes, after.size_bytes) == (5, 6)
    assert before.version != after.version
    assert store.get("a") == b"second"


def test_missing_object_is_named_in_full(store: ObjectStore) -> None:
    for read in (store.get, store.open):
        with pytest.raises(ObjectMissingError, match=r"gone/away\.csv does not exist"):
            read("gone/away.csv")


def test_deleting_twice_succeeds(store: ObjectStore) -> None:
    store.create("a", b"x")
    store.delete("a")
    store.delete("a")

    assert store.list_objects("") == []


@pytest.mark.parametrize("key", ["../secret", "a/../../b", "/etc/passwd", "a//b", "", ".", "a\0b"])
def test_key_outside_the_store_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidKeyError):
        store.get(key)
    with pytest.raises(InvalidKeyError):
        store.create(key, b"x")


def test_exactly_one_of_many_concurrent_creates_succeeds(directory: ObjectStore) -> None:
    outcomes: list[bool] = []

    def create(number: int) -> None:
        try:
            directory.create("a", str(number).encode() * 1000)
            outcomes.append(True)
        except ObjectExistsError:
            outcomes.append(False)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == [False] * 7 + [True]
    assert len(directory.list_objects("")) == 1
    assert len(set(directory.get("a"))) == 1


def test_failed_write_leaves_nothing_behind(directory: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ObjectStoreError):
        directory.create("a", tmp_path / "no such source")

    assert list(tmp_path.iterdir()) == []


def test_only_a_renamed_file_counts_as_complete_at_once(
    directory: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "written").write_bytes(b"x")
    (tmp_path / "temporary").write_bytes(b"x")
    time.sleep(0.05)  # file times are as coarse as the kernel's tick
    (tmp_path / "temporary").rename(tmp_path / "renamed")

    completeness = {stat.key: stat.is_whole for stat in directory.list_objects("")}

    assert completeness == {"renamed": True, "written": False}


def test_links_are_not_followed(directory: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "folder").symlink_to("/etc")

    assert directory.list_objects("") == []


def test_what_is_no_object_is_told_and_hides_nothing(
    directory: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("in/open", "in/closed"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.csv").write_text("a")
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "in" / "open" / "a.csv")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "in" / "open")
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    scandir = os.scandir

    def scan(path: Path) -> object:
        # Permissions do not bind who runs the tests as root.
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    stats, left_out = directory.list_readable("in/")

    assert [stat.key for stat in stats] == ["in/open/a.csv"]
    told = {item.key: item.why for item in left_out}
    assert list(told) == ["in/closed/", "in/link.csv", "in/linked", "in/pipe.csv"]
    assert "Permission denied" in told["in/closed/"]
    assert "link" in told["in/link.csv"]
    assert [item.key for item in directory.left_out("in/")] == [
        "in/link.csv",
        "in/linked",
        "in/pipe.csv",
    ]
    with pytest.raises(ObjectStoreError, match="Permission denied"):
        directory.list_objects("in/")


def test_name_that_is_no_path_hides_no_other(s3_url: str) -> None:
    bucket, _, prefix = s3_url.removeprefix("s3://").partition("/")
    root = f"{prefix}/" if prefix else ""
    client = boto3.client("s3")
    for name in ("in/a.csv", "in//b.csv", "in/../c.csv", "in/d\t.csv", "in//deep/e.csv"):
        client.put_object(Bucket=bucket, Key=f"{root}{name}", Body=b"x")
    store = open_store(s3_url)

    keys = ["in/../c.csv", "in//b.csv", "in//deep/e.csv", "in/a.csv", "in/d\t.csv"]
    assert [stat.key for stat in store.list_objects("in/")] == keys
    stats, folders = store.list_folder("in/")
    assert [stat.key for stat in stats] == ["in/a.csv", "in/d\t.csv"]
    assert folders == ["in/../", "in//"]


def test_unsupported_store_url_is_refused_with_a_reason() -> None:
    with pytest.raises(ObjectStoreError, match="use a directory"):
        open_store("ftp://example.com/raw")


def test_missing_credentials_are_reported(
    s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(ObjectStoreError, match="needs AWS credentials"):
        open_store(s3_url).get("a")


def test_object_is_found_as_it_is_listed(store: ObjectStore) -> None:
    store.create("incoming/deposits/a b,=#1%20ü.csv", b"one\n")
    (listed,) = store.list_objects("incoming/")

    assert store.find(listed.key) == listed
    assert store.find("incoming/deposits/missing.csv") is None
    assert store.find("incoming/deposits") is None


def test_object_without_a_writer_has_none(store: ObjectStore) -> None:
    store.create("a.csv", b"one\n")

    assert store.has_writer("a.csv") is False


def test_directory_tells_whether_a_program_has_a_file_open_for_writing(
    directory: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as first, path.open("a") as second:
        assert directory.has_writer("a.csv") is True
        first.close()
        assert directory.has_writer("a.csv") is True
        second.close()
    with path.open() as reader:
        assert directory.has_writer("a.csv") is False, "a reader is no writer"
        assert reader.read() == ""
    assert directory.has_writer("missing.csv") is None


def test_writers_that_open_a_file_while_it_is_looked_at_are_not_disturbed(
    directory: ObjectStore, tmp_path: Path
) -> None:
    """The kernel tells the holder of a lease by a signal, which by default ends the process."""
    path = tmp_path / "a.csv"
    path.write_text("")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with path.open("a") as file:
                file.write("x")

    writer = threading.Thread(target=write)
    writer.start()
    found = {directory.has_writer("a.csv") for _ in range(20_000)}
    stop.set()
    writer.join()

    assert None not in found
    assert False in found


def test_name_that_is_too_long_for_a_file_is_absent(directory: ObjectStore) -> None:
    key = "n" * 300

    assert directory.find(key) is None
    for read in (directory.get, directory.open):
        with pytest.raises(ObjectMissingError):
            read(key)
    with pytest.raises(ObjectStoreError, match="too long"):
        directory.create(key, b"x")


def test_directory_finds_neither_links_nor_unfinished_files(
    directory: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("a")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / ".cardops-unfinished-1").write_text("a")

    assert directory.find("link.csv") is None
    assert directory.find(".cardops-unfinished-1") is None
