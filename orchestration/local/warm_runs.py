"""What the runs of `cardops up` are forked from: slow modules, imported without a thread.

Only a process with one thread can be forked safely. polars starts one at import, and so do our own
definitions, which import it; each run imports these itself.

Belongs here: imports alone, and the settings of libraries that would start threads at import.
"""

import importlib
import os
from typing import Final

# OpenBLAS computes in the thread of its caller, and Arrow's jemalloc returns memory without a thread of
# its own. They read this when they are loaded; a user's own settings come first.
_WITHOUT_THREADS: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
WARM: Final = (
    "dagster",
    "dagster._cli",
    "dagster._grpc.server",
    "dagster_postgres",
    "resources.dagster_dbt_names",
    "boto3",
    "asyncssh",
    "duckdb",
    "jinja2",
    "numpy",
    "obstore",
    "pandas",
    "paramiko",
    "psycopg",
    "pyarrow",
    "typeguard",
)

for _name, _value in _WITHOUT_THREADS.items():
    os.environ.setdefault(_name, _value)
for _module in WARM:
    importlib.import_module(_module)
