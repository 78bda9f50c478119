"""A program's peak of memory is its own, whoever started it."""

import subprocess
import sys

LARGE = 300 * 2**20


def test_peak_is_not_that_of_the_process_that_started_it() -> None:
    held = bytearray(b"x") * LARGE
    program = "from benchmarks.memory import peak_mb; print(peak_mb())"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert len(held) == LARGE
    assert 5 < float(done.stdout) < LARGE / 2**20 / 2
