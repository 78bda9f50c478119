"""Output of runs: whole in the UI where a run has its own process, and never taken from a command's terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.local.instance import OWN_PROCESS_VARIABLE

pytestmark = pytest.mark.dagster
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import subprocess, sys
from orchestration.local.captured_output import CapturedOutput
output = CapturedOutput(sys.argv[1])
with output.capture_logs(["run", "compute_logs", "step"]):
    print("printed")
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('of a child')"], check=True)
assert output.is_capture_complete(["run", "compute_logs", "step"])
found = output.get_log_data(["run", "compute_logs", "step"])
print(f"SHOWN {found.stdout or b''} {found.stderr or b''}")
"""


@pytest.mark.parametrize(
    ("own_process", "shown", "in_terminal"),
    [
        ("1", ["printed", "of a child"], []),
        ("", ["made inside a command or a service"], ["printed", "of a child"]),
    ],
    ids=["own process", "inside a command"],
)
def test_output_is_in_the_files_or_in_the_terminal(
    own_process: str, shown: list[str], in_terminal: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, OWN_PROCESS_VARIABLE: own_process},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    terminal, _, files = done.stdout.partition("SHOWN ")
    assert [text for text in shown if text not in files] == []
    written = terminal + done.stderr
    assert [text for text in ("printed", "of a child") if text in written] == in_terminal
