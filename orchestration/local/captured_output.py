"""What a run writes to its standard output and error, in files that the UI shows in the tabs of those names.

Belongs here: capturing it. Dagster's own manager starts four processes for each run, to show the output in the
terminal as well; a run of `cardops up` has none.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from dagster._core.execution.compute_logs import redirect_to_file
from dagster._core.storage.compute_log_manager import CapturedLogContext
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._serdes import ConfigurableClassData
from typing_extensions import override

from orchestration.local.instance import OWN_PROCESS_VARIABLE

_NOT_CAPTURED: Final = (
    "This run was made inside a command or a service of Cardops, and what it wrote is in that terminal or in"
    " run/logs/ under the home. Its events have what matters.\n"
)


class CapturedOutput(LocalComputeLogManager):
    """Writes the output of a run that has its own process to files under the home."""

    @override
    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(inst_data=inst_data, **config_value)

    @override
    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        out, err = (Path(self.get_captured_local_path(log_key, name)) for name in ("out", "err"))
        out.parent.mkdir(parents=True, exist_ok=True)
        if os.environ.get(OWN_PROCESS_VARIABLE):
            with redirect_to_file(sys.stdout, str(out)), redirect_to_file(sys.stderr, str(err)):
                yield CapturedLogContext(log_key)
        else:
            err.write_text(_NOT_CAPTURED)
            yield CapturedLogContext(log_key)
        Path(self.get_captured_local_path(log_key, "complete")).touch()
