"""One side of the benchmark of rings, in a process of its own: prints its CPU seconds.

`python -m benchmarks.rings_run ours|bare FOLDER`. Peak memory goes to standard error.
"""

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import peak_mb
from benchmarks.rings import LAST


def ours(folder: Path) -> float:
    """From Parquet to links with their rings, and hubs."""
    from cardops.adapters.object_stores.directory import DirectoryStore  # noqa: PLC0415 - one side's
    from cardops.adapters.warehouse.lake import ParquetLake  # noqa: PLC0415
    from cardops.adapters.warehouse.ring_components import labelled  # noqa: PLC0415
    from cardops.adapters.warehouse.ring_sources import LakeRingSources  # noqa: PLC0415
    from cardops.rules.fraud.limits import ring_limits  # noqa: PLC0415

    lake = ParquetLake(DirectoryStore(folder / "lake"), folder / "mirror")
    sources = LakeRingSources(lake)
    # Imports are not what is measured: scipy's, and those of the columns of the lake's tables.
    labelled(np.zeros(1, np.int32), np.zeros(1, np.int32))
    lake.scan("transactions")
    started = time.process_time()
    graph = sources.graph(LAST, ring_limits(LAST))
    seconds = time.process_time() - started
    sys.stderr.write(f"{graph.links['ring'].n_unique()} rings, {graph.hubs.height} hubs\n")
    return seconds


def bare(folder: Path) -> float:
    """All edges, hubs among them, as integers."""
    from cardops.adapters.warehouse.ring_components import labelled  # noqa: PLC0415 - one side's

    edges = np.load(folder / "edges.npz")
    lefts, rights = edges["lefts"], edges["rights"]
    # scipy's import is not what is measured.
    labelled(lefts[:1], rights[:1])
    started = time.process_time()
    labels = labelled(lefts, rights)
    seconds = time.process_time() - started
    sys.stderr.write(f"{len(np.unique(labels))} components\n")
    return seconds


def main() -> None:
    """One run."""
    what, folder = sys.argv[1:]
    seconds = {"ours": ours, "bare": bare}[what](Path(folder))
    sys.stderr.write(f"{peak_mb():.0f} MB\n")
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    main()
