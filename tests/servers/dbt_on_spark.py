"""dbt on Spark: a process with one Spark session, which registers a lake and builds every mart.

`python -m tests.servers.dbt_on_spark TASKS` is that process; its environment says where the lake and the
cluster are. One session for all of it, because each takes ten seconds to start, and one parsed project.
In the file TASKS it leaves how many tasks each process of Spark has done.
"""

import gc
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from cardops.adapters.warehouse.dbt_process import GARBAGE_THRESHOLDS, make_only_shown_messages


def main() -> int:
    """Exit code 0 when every seed and model was built."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)  # before the imports, as dbt_process does it
    make_only_shown_messages()
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 - as above

    tasks, *arguments = sys.argv[1:]
    target = ["--quiet", "--target", "spark"]
    parsed = dbtRunner().invoke(["parse", *target])
    runner = dbtRunner(manifest=parsed.result) if parsed.success else None  # type: ignore[arg-type]
    done = runner is not None and all(
        runner.invoke([*command, *target]).success
        for command in (["run-operation", "register_lake"], ["seed"], ["run", *arguments])
    )
    Path(tasks).write_text(json.dumps(_tasks_by_executor()))
    return 0 if done else 1


def _tasks_by_executor() -> dict[str, int]:
    """Finished tasks by the name that Spark gives each of its processes; the driver is one of them."""
    session: Any = import_module("pyspark.sql").SparkSession.getActiveSession()
    if session is None:
        return {}
    executors = session.sparkContext._jsc.sc().statusStore().executorList(False)  # noqa: FBT003 - of Java
    listed = [executors.apply(number) for number in range(executors.size())]
    return {executor.id(): executor.completedTasks() for executor in listed}


if __name__ == "__main__":
    sys.exit(main())
