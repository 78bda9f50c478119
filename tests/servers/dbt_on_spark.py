"""dbt on Spark: a process with one Spark session, which registers a lake and builds every mart.

`python -m tests.servers.dbt_on_spark` is that process; its environment says where the lake and the
cluster are. One session for all of it, because each takes ten seconds to start.
"""

import sys

from dbt.cli.main import dbtRunner


def main() -> int:
    """Exit code 0 when every seed and model was built."""
    target = ["--quiet", "--target", "spark"]
    runner = dbtRunner()
    for command in (
        ["run-operation", "register_lake", *target],
        ["seed", *target],
        ["run", *target, *sys.argv[1:]],
    ):
        if not runner.invoke(command).success:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
