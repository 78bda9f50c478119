"""The documentation of the dbt project as one page: every model, its columns with types, and its lineage.

Belongs here: when the page is built again, how, and what it is corrected by. `cardops up` serves it.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Final

from cardops.adapters.file_locks import exclusive_lock
from cardops.adapters.warehouse.dbt import PROJECT_DIR, project_files, run_dbt

# A build yields to all other work, so it may take long.
TIMEOUT_SECONDS: Final = 3600
# What dbt's page asks the server for before its script has put the right address there.
_CORRECTIONS: Final = (
    ('xlink:href="{{', 'ng-attr-href="{{'),
    ("${require('./assets/favicons/favicon.ico')}", "data:,"),
)
_MODELS: Final = (
    "build",
    "--exclude-resource-type",
    "test",
    "--exclude-resource-type",
    "unit_test",
)
_PAGE: Final = ("docs", "generate", "--static", "--no-compile")


class DbtDocs:
    """The page in one folder, and the hash of the project that it describes."""

    def __init__(self, folder: Path, project: Path = PROJECT_DIR) -> None:
        self._folder, self._project = folder, project

    @property
    def page(self) -> Path:
        """One HTML file, which asks no server for anything; whole, or not there."""
        return self._folder / "index.html"

    @property
    def failure(self) -> Path:
        """The output of the last build, if it failed."""
        return self._folder / "failure.log"

    def is_current(self) -> bool:
        """Whether the page is of the project as it is now."""
        return (
            self.page.exists()
            and self._described.exists()
            and self._described.read_text() == self._hash_of_project()
        )

    def build(self) -> bool:
        """Build the page where the project is another one; returns whether it did. Raises DbtFailedError.

        The models are built over a lake without rows, so that every column has the type that it has
        in the marts. Nothing of the home is read, and no build of its marts waits.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self._folder / "build.lock"):
            project_hash = self._hash_of_project()
            if self.is_current():
                return False
            with self._scratch() as scratch:
                html = self._built_page(scratch)
                for found, better in _CORRECTIONS:
                    html = html.replace(found, better)
                (scratch / "page").write_text(html, encoding="utf-8")
                (scratch / "hash").write_text(project_hash)
                # Of a process that is killed between the two, the next build starts again.
                (scratch / "page").replace(self.page)
                (scratch / "hash").replace(self._described)
        return True

    @property
    def _described(self) -> Path:
        return self._folder / "project_hash"

    def _built_page(self, scratch: Path) -> str:
        # The server of the page does without polars, which takes as much memory as all of it.
        from cardops.adapters.object_stores.directory import DirectoryStore  # noqa: PLC0415
        from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse  # noqa: PLC0415
        from cardops.adapters.warehouse.lake import ParquetLake  # noqa: PLC0415

        warehouse = DuckDbWarehouse(scratch)
        with warehouse.building(
            ParquetLake(DirectoryStore(scratch / "lake"), scratch)
        ) as environment:
            for command, *options in (_MODELS, _PAGE):
                run_dbt(
                    [command, *options, "--quiet"],
                    environment,
                    self._project,
                    timeout_seconds=TIMEOUT_SECONDS,
                )
        return (warehouse.target_path / "static_index.html").read_text(encoding="utf-8")

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A folder for the build; one that a killed build left is deleted first."""
        scratch = self._folder / "unfinished"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _hash_of_project(self) -> str:
        versions = [metadata.version(name) for name in ("dbt-core", "dbt-duckdb", "duckdb")]
        digest = hashlib.sha256(repr((versions, _CORRECTIONS, _MODELS, _PAGE)).encode())
        for path in sorted(path for path in project_files(self._project) if path.is_file()):
            digest.update(f"\n{path.name}\n".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()
