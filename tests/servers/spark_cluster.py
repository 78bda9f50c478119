"""A standalone Spark cluster of this machine: a master and two workers, each a process of its own."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

START_TIMEOUT_SECONDS: Final = 120
_WORKERS: Final = 2
_MASTER: Final = "org.apache.spark.deploy.master.Master"
_WORKER: Final = "org.apache.spark.deploy.worker.Worker"
_LOCAL: Final = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")


def java_is_missing() -> str:
    """What Spark lacks to run here, in any version; empty if it has it."""
    if shutil.which("java") is None:
        return "Spark needs Java 17: apt-get install openjdk-17-jre-headless"
    return ""


def spark_is_missing() -> str:
    """Why no cluster can run here; empty if one can."""
    if reason := java_is_missing():
        return reason
    if find_spec("pyspark") is None or find_spec("dbt.adapters.spark") is None:
        return "PySpark is not installed here: make test-spark has an environment with it"
    return ""


@contextmanager
def spark_cluster(folder: Path) -> Iterator[str]:
    """The master's address, once both workers have registered with it."""
    with ExitStack() as processes:
        log = processes.enter_context(_process(folder, "master", _MASTER, *_LOCAL))
        master = _awaited(log, r"Starting Spark master at (spark://\S+)")
        for number in range(_WORKERS):
            work = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work-{number}"))
            worker = _process(folder, f"worker-{number}", _WORKER, *_LOCAL, *work, master)
            _awaited(processes.enter_context(worker), r"(Successfully registered) with master")
        yield master


@contextmanager
def _process(folder: Path, name: str, java_class: str, *arguments: str) -> Iterator[Path]:
    spark = find_spec("pyspark")
    assert spark is not None
    assert spark.origin is not None
    home = Path(spark.origin).parent
    command = [str(home / "bin" / "spark-class"), java_class, *arguments]
    path = folder / f"{name}.log"
    settings = {
        "SPARK_HOME": str(home),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    with path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **settings})
    try:
        yield path
    finally:
        process.terminate()
        process.wait(timeout=30)


def _awaited(log: Path, pattern: str) -> str:
    until = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < until:
        found = re.search(pattern, log.read_text(errors="replace"))
        if found:
            return found.group(1)
        time.sleep(0.2)
    raise TimeoutError(f"{log} never said {pattern}: {log.read_text(errors='replace')[-2000:]}")
