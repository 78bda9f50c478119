"""One `cardops up` or demo at a time for each home."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cardops.bootstrap import file_lock
from orchestration.cli.output import CommandError


@contextmanager
def only_process_of(home: Path, problem: str) -> Iterator[None]:
    """Raises CommandError, which begins with `problem`, where another process has the home."""
    path = home / "run" / "up.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(file_lock(path, wait=False))
        except BlockingIOError:
            raise CommandError(
                f"{problem} for {home} (its ports are in run/ports.json); stop that process, or "
                "set CARDOPS_HOME to another directory."
            ) from None
        yield
