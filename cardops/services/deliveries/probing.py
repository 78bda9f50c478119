"""Try a destination with a small file before a batch depends on it.

Belongs here: each step that a delivery takes, with a file that no card company collects, and what to do
about the step that fails. Nothing is recorded but that the destination works again.
"""

import hashlib
import io
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

from cardops.ports import Breakers, Clock, Destinations, FileDelivery
from cardops.rules.deliveries.destinations import Destination
from cardops.rules.deliveries.recipe import PART_SUFFIX
from cardops.rules.deliveries.records import (
    DeliveryError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from cardops.rules.deliveries.troubles import Trouble, advice
from cardops.services.deliveries.settings import settings_problem

# Hidden, and no *.csv, so that nothing which polls the folder collects it.
PROBE_NAME: Final = ".cardops-probe-{}"
_PROBE_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step, whether it worked, and what to do where it did not."""

    step: str
    ok: bool
    message: str
    seconds: float
    advice: str | None = None


@dataclass(slots=True)
class _Probe:
    """The file that is written, and how far it came."""

    folder: Destination
    name: str = field(default_factory=lambda: PROBE_NAME.format(secrets.token_hex(8)))
    content: bytes = field(default_factory=lambda: secrets.token_hex(_PROBE_BYTES // 2).encode())

    @property
    def path(self) -> str:
        return self.folder.path(self.name)

    @property
    def part(self) -> str:
        return self.path + PART_SUFFIX


@dataclass(frozen=True, slots=True)
class ProbeService:
    """Tries destinations."""

    destinations: Destinations
    breakers: Breakers
    clock: Clock

    def probe(self, name: str) -> list[ProbeStep]:
        """Every step up to the first that failed; what was written is deleted in any case."""
        steps = list(self._steps(name))
        if all(step.ok for step in steps):
            now = self.clock.now()
            if self.breakers.find(name).failure_count:
                self.breakers.change(name, lambda breaker: breaker.after_success(now))
        return steps

    def _steps(self, name: str) -> Iterator[ProbeStep]:
        found: list[Destination] = []
        step = _taken("settings", name, lambda: self._read(name, found))
        yield step
        if not step.ok:
            return
        sessions: list[FileDelivery] = []
        step = _taken("connect", name, lambda: self._connect(name, found[0], sessions))
        yield step
        if not step.ok:
            return
        with closing(sessions[0]) as remote:
            yield from _file_steps(name, remote, _Probe(found[0]))

    def _read(self, name: str, found: list[Destination]) -> str:
        destination = self.destinations.settings(name)
        problem = settings_problem(destination, self.clock.now())
        if problem is not None:
            raise PermanentDeliveryError(problem, Trouble.SETTINGS)
        found.append(destination)
        return "Its settings are complete."

    def _connect(self, name: str, destination: Destination, sessions: list[FileDelivery]) -> str:
        sessions.append(self.destinations.connect(name))
        return (
            f"{destination.username} is logged in at {destination.host}:{destination.port} over "
            f"{destination.protocol}."
        )


def _file_steps(name: str, remote: FileDelivery, probe: _Probe) -> Iterator[ProbeStep]:
    takers: list[tuple[str, Callable[[], str]]] = [
        ("write", lambda: _write(remote, probe)),
        ("read_back", lambda: _read_back(remote, probe)),
        ("rename", lambda: _rename(remote, probe)),
    ]
    for step_name, take in takers:
        step = _taken(step_name, name, take)
        yield step
        if not step.ok:
            break
    yield _taken("delete", name, lambda: _delete(remote, probe))


def _taken(step: str, name: str, take: Callable[[], str]) -> ProbeStep:
    began = time.monotonic()
    try:
        message = take()
    except DeliveryError as error:
        seconds = time.monotonic() - began
        return ProbeStep(step, False, str(error), seconds, advice(error.trouble, name))  # noqa: FBT003
    return ProbeStep(step, True, message, time.monotonic() - began)  # noqa: FBT003


def _write(remote: FileDelivery, probe: _Probe) -> str:
    remote.write(probe.part, io.BytesIO(probe.content))
    found = remote.stat(probe.part)
    if found is None or found.size_bytes != len(probe.content):
        size = found.size_bytes if found else 0
        raise TransientDeliveryError(
            f"{probe.part} has {size} of {len(probe.content)} bytes after writing, though the server "
            "reported no error: its disk may be full.",
            Trouble.DISK_FULL,
        )
    return f"{probe.part} was written."


def _read_back(remote: FileDelivery, probe: _Probe) -> str:
    found = remote.read_sha256(probe.part)
    if found is None:
        return "Reading back is forbidden, so deliveries are verified by their size alone."
    if found != hashlib.sha256(probe.content).hexdigest():
        raise TransientDeliveryError(
            f"{probe.part} reads back with other content than was written.", Trouble.OTHER
        )
    return "It reads back unchanged."


def _rename(remote: FileDelivery, probe: _Probe) -> str:
    remote.rename(probe.part, probe.path)
    return f"It was renamed to {probe.name}."


def _delete(remote: FileDelivery, probe: _Probe) -> str:
    failures = []
    for path in (probe.part, probe.path):
        try:
            remote.remove(path)
        except DeliveryError as error:
            failures.append(error)
    # FTP tells a missing file from a forbidden one in no way that can be relied on.
    with suppress(DeliveryError):
        left = [path for path in (probe.part, probe.path) if remote.stat(path) is not None]
        if not left:
            return "It was deleted."
    if failures:
        raise failures[0]
    raise PermanentDeliveryError(f"{probe.path} could not be deleted.", Trouble.PERMISSION_DENIED)
