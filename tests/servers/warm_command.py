"""The `cardops` command in a process forked from one that imported slow modules.

Belongs here: what a process of its own has by itself: environment, folder, output, exit code. What
starts no thread is imported beforehand, as for the runs of `cardops up`.
"""

import atexit
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path

from orchestration.cli.main import main
from orchestration.local.code_server import WARM


def warm_context() -> ForkServerContext:
    """Starts processes that have imported what is slow; there is one such server in a process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.servers.killable_delivery", *WARM])
    return context


def run_command(
    arguments: list[str], environment: Mapping[str, str], folder: Path, output: Path, errors: Path
) -> None:
    """Run the command as if it were started there, and end as it ends."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    for descriptor, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    sys.argv = ["cardops", *arguments]
    try:
        main()
    except Exception:  # noqa: BLE001 - shown as Python shows it, before what is done at exit
        traceback.print_exc()
        sys.exit(1)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        atexit._run_exitfuncs()
