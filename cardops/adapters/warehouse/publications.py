"""The folder of published marts: one numbered folder a publication, and a link to the newest.

`<n>/` holds each mart as Parquet and `cardops.duckdb`, a file of views over exactly that Parquet. A mart
that grows with history is a folder with one file a month, any other one is one file. The
link `cardops.duckdb` beside the folders leads to the newest and is swapped in one step. So whoever
opens it, for however long, sees one publication whole. A file whose rows are those of the former
publication is that publication's file under a second name (a hard link): each stays when the other
is deleted.

Belongs here: what a publication is made of on disk, and when an old one may be deleted. Which marts
there are, dbt says.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import duckdb

from cardops.adapters.file_locks import is_locked
from cardops.adapters.warehouse.dbt_descriptions import Description
from cardops.rules.errors import ExplainedError

MARTS_SCHEMA: Final = "marts"
PUBLISHED_FILE: Final = "cardops.duckdb"
# In each publication: what its files hold, so that the next one knows what changed.
CONTENTS_FILE: Final = "contents.json"
# Deleted after as many newer ones, unless somebody still has its file open.
KEPT_PUBLICATIONS: Final = 3


class PublicationFailedError(ExplainedError, RuntimeError):
    """The marts could not be written; analysts still read the former publication."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a published file holds: its rows, whatever their order, and its size."""

    fingerprint: str
    row_count: int
    byte_count: int


class Publications:
    """The publications under one folder. One process at a time may write there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def file(self) -> Path:
        """What analysts open: the views of the newest publication."""
        return self._folder / PUBLISHED_FILE

    @contextmanager
    def new(self) -> Iterator[Path]:
        """The folder of the next publication, deleted again where the block fails.

        Raises PublicationFailedError for what DuckDB or the disk refuse in the block.
        """
        folder = self._folder / f"{self._last_number() + 1:08d}"
        folder.mkdir(parents=True)
        try:
            yield folder
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, duckdb.Error | OSError):
                raise PublicationFailedError(
                    f"The marts were not published: {' '.join(str(error).split())}. Analysts still "
                    f"read the former publication; see that {self._folder} has space and can be "
                    "written, then materialize published_marts again."
                ) from error
            raise

    def link_unchanged(self, folder: Path, file: str, fingerprint: str) -> FileContent | None:
        """Give the new publication the newest one's file of this name, where its rows are these.

        Answers what the file holds; nothing where it is to be written.
        """
        former = self.file.resolve().parent
        content = _contents(former).get(file)
        source, target = former / file, folder / file
        if content is None or content.fingerprint != fingerprint:
            return None
        # Not linked: a file that was cut short or is gone, or a disk without hard links.
        with suppress(OSError):
            if source.stat().st_size == content.byte_count:
                target.parent.mkdir(exist_ok=True)
                target.hardlink_to(source)
                return content
        return None

    def swap_to(self, folder: Path) -> None:
        """Make this publication, which is whole, what analysts open; delete what is too old."""
        # Without this a machine that stops could come back with the link and without the files.
        for path in [*folder.rglob("*"), folder]:
            _flush(path)
        staged = self._folder / f".{PUBLISHED_FILE}.new"
        staged.unlink(missing_ok=True)
        staged.symlink_to(f"{folder.name}/{PUBLISHED_FILE}")
        staged.replace(self.file)
        _flush(self._folder)
        self._delete_old()

    def _numbered(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("[0-9]*") if path.is_dir())

    def _last_number(self) -> int:
        numbered = self._numbered()
        return int(numbered[-1].name) if numbered else 0

    def _delete_old(self) -> None:
        # What a publisher that was killed left behind has no file of views, and counts for nothing.
        whole = [folder for folder in self._numbered() if (folder / PUBLISHED_FILE).exists()]
        for folder in self._numbered():
            file = folder / PUBLISHED_FILE
            if folder not in whole[-KEPT_PUBLICATIONS:] and not (file.exists() and is_locked(file)):
                shutil.rmtree(folder)


def published_files(folder: Path) -> dict[str, list[Path]]:
    """The Parquet of each mart of a publication: one file, or one a month."""
    files = {path.stem: [path] for path in folder.glob("*.parquet")}
    for path in sorted(folder.glob("*/*.parquet")):
        files.setdefault(path.parent.name, []).append(path)
    return dict(sorted(files.items()))


def write_contents(folder: Path, contents: Mapping[str, FileContent]) -> None:
    """Keep in a publication what its files hold, by their names in its folder."""
    found = {name: asdict(content) for name, content in contents.items()}
    (folder / CONTENTS_FILE).write_text(json.dumps(found, indent=1))


def _contents(folder: Path) -> dict[str, FileContent]:
    try:
        found = json.loads((folder / CONTENTS_FILE).read_text())
        return {name: FileContent(**content) for name, content in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # published by a version that kept nothing, or damaged: everything is written


def write_views(folder: Path, descriptions: Mapping[str, Description]) -> None:
    """Write the file of views over the folder's Parquet, with the descriptions as comments.

    Each view is there as `name` and as `marts.name`, as dbt's models are called.
    """
    unfinished = folder / f"{PUBLISHED_FILE}.unfinished"
    with duckdb.connect(str(unfinished)) as session:
        # One transaction: each of a thousand comments would be written to the log by itself.
        session.begin()
        session.execute(f"create schema {MARTS_SCHEMA}")
        for name, files in published_files(folder).items():
            source = f"[{', '.join(quoted(str(file.absolute())) for file in files)}]"
            for view in (name, f"{MARTS_SCHEMA}.{name}"):
                session.execute(f"create view {view} as select * from read_parquet({source})")  # noqa: S608 - names are dbt's own
            _comment(session, name, descriptions.get(name))
        session.commit()
    unfinished.chmod(0o444)
    # Closed, it is one file without a log; under its name it says that the publication is whole.
    unfinished.replace(folder / PUBLISHED_FILE)


def quoted(text: str) -> str:
    """A SQL literal, where DuckDB takes no parameter."""
    return "'" + text.replace("'", "''") + "'"


def _comment(
    session: duckdb.DuckDBPyConnection, name: str, description: Description | None
) -> None:
    if description is None:
        return
    rows = session.execute(f"select column_name from (describe {name})").fetchall()  # noqa: S608 - as above
    for view in (name, f"{MARTS_SCHEMA}.{name}"):
        session.execute(f"comment on view {view} is {quoted(description.text)}")
        for (column,) in rows:
            if text := description.columns.get(column):
                session.execute(f'comment on column {view}."{column}" is {quoted(text)}')


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
