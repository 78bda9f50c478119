"""A page of the documentation as something to run: its fenced blocks, and a shell to run them in.

Belongs here: reading fences, running them, comparing what came with what the page shows.
"""

import os
import re
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
_FENCE = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Fence:
    """A fenced block, and the line of the page that it begins on."""

    language: str
    text: str
    line: int


def fences(page: Path) -> list[Fence]:
    """All of the page, in order."""
    text = page.read_text()
    found = [
        Fence(match["language"], dedent(match["text"]), text.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(text)
    ]
    assert text.count("```") == 2 * len(found), f"{page.name}: a fence is not closed"
    return found


def fits(shown: str, came: str) -> bool:
    """Whether the output is as shown: `…` stands for anything, white space is ignored."""
    parts = [re.escape(re.sub(r"\s", "", part)) for part in shown.split("…")]
    return re.fullmatch(".*?".join(parts), re.sub(r"\s", "", came)) is not None


class Shell:
    """One bash that keeps its variables and background jobs from one run to the next."""

    def __init__(self, process: "subprocess.Popen[str]", home: Path) -> None:
        self._process, self._home = process, home

    def run(self, text: str) -> str:
        """The output. A command that fails or hangs fails the test and shows its output."""
        end = f"end-{secrets.token_hex(8)}"
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        timer = threading.Timer(ANSWER_SECONDS, self._process.kill)
        timer.start()
        try:
            # Through a file, so that a command cannot read the following lines as its input.
            (self._home / "fence.sh").write_text(text)
            stdin.write(f". ./fence.sh </dev/null\nprintf '\\n%s\\n' {end}\n")
            stdin.flush()
            lines: list[str] = []
            for line in stdout:
                if line.strip() == end:
                    return "".join(lines).strip()
                lines.append(line)
        finally:
            timer.cancel()
        raise AssertionError(f"this failed or did not end:\n{text}\n{''.join(lines)}")


@contextmanager
def shell(home: Path, environment: Mapping[str, str]) -> Iterator[Shell]:
    """A bash in that folder which ends at the first command that fails."""
    command = ["bash", "--noprofile", "--norc", "-eu", "-o", "pipefail"]
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    env = {**os.environ, **environment}
    with subprocess.Popen(
        command,
        cwd=home,
        env=env,
        text=True,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **streams,
    ) as process:
        try:
            yield Shell(process, home)
        finally:
            with suppress(ProcessLookupError):  # its jobs end with it
                os.killpg(process.pid, signal.SIGKILL)
