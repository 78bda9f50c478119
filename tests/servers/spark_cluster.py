"""A standalone Spark cluster of this machine: a master and two workers, each a process of its own.

They listen on the loopback address alone. A worker starts another process, its executor, for each application.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

# Where other tests have the processors first, as in .ci/run.
START_TIMEOUT_SECONDS: Final = 600
# The compiler and the collector of a Java process that runs for hours would cost more than it does here.
JAVA_OPTIONS: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
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


@dataclass(frozen=True)
class SparkCluster:
    """A cluster that runs: where its master listens, and what each worker keeps of its executors."""

    master: str
    work_folders: Sequence[Path]

    def executors_by_worker(self) -> list[set[str]]:
        """Of each worker, the executors that it started, by Spark's names for them."""
        return [{path.name for path in folder.glob("app-*/*")} for folder in self.work_folders]


@contextmanager
def spark_cluster(folder: Path) -> Iterator[SparkCluster]:
    """A cluster whose workers have registered with its master. What it started ends with the block."""
    work_folders = [folder / f"work-{number}" for number in range(_WORKERS)]
    with ExitStack() as processes:
        log = processes.enter_context(_process(folder, "master", _MASTER, *_LOCAL))
        master = _awaited(log, r"Starting Spark master at (spark://\S+)")
        logs = []
        for path in work_folders:
            work = ("--cores", "1", "--memory", "1g", "--work-dir", str(path))
            worker = _process(folder, path.name, _WORKER, *_LOCAL, *work, master)
            logs.append(processes.enter_context(worker))
        for log in logs:
            _awaited(log, r"(Successfully registered) with master")
        yield SparkCluster(master, work_folders)


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
        # Without the master's REST server: at a fixed port, it would start what anybody asks it to.
        "SPARK_DAEMON_JAVA_OPTS": f"{JAVA_OPTIONS} -Dspark.master.rest.enabled=false",
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
