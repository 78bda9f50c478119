"""Entries of the calendar of expected files, with every field given a plain value."""

from datetime import time
from typing import Any

from cardops.rules.intake.expected_files import ExpectedFile
from cardops.rules.intake.files import Kind


def an_expected_file(**changes: Any) -> ExpectedFile:
    values = {
        "program": "default",
        "name": "bank",
        "kind": Kind("deposits"),
        "due_at": time(9, 0),
        "created_by": "ops",
    }
    return ExpectedFile(**{**values, **changes})
