"""Imports what takes commands their first seconds, without a thread, for processes to be forked from.

Belongs here: imports alone, and the settings of libraries that would start threads at import: a
process with threads cannot be forked safely. The process of `cardops up` does without these.
"""

import os

# OpenBLAS computes in this process's own thread; jemalloc, of which Arrow and Polars have one each,
# returns memory without one. A command that is forked from here has its own environment.
os.environ.update(
    OPENBLAS_NUM_THREADS="1",
    JE_ARROW_MALLOC_CONF="background_thread:false",
    _RJEM_MALLOC_CONF="background_thread:false",
)

import importlib
import pkgutil
import warnings

import dagster as dg

import cardops.adapters
from orchestration.cli.main import COMMANDS

for category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.simplefilter("ignore", category)
for module in (
    "orchestration.local.warm_runs",
    "matplotlib.figure",
    "orchestration.definitions",
    *(f"orchestration.cli.commands.{name}" for name in COMMANDS),
    "orchestration.cli.submitting",
    "orchestration.local.in_process",
    "dagster._core.execution.execute_in_process",
    "psycopg2.extras",
    "orchestration.local.captured_output",
    "orchestration.local.pooled_storage",
    "upath.implementations.local",
    *(
        found.name
        for found in pkgutil.walk_packages(cardops.adapters.__path__, "cardops.adapters.")
    ),
):
    importlib.import_module(module)
