"""The published schema of acknowledgements says what is read, member by member."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cardops.contracts.acknowledgements import read_acknowledgement
from cardops.rules.deliveries.acknowledgements import UnreadableAcknowledgementError

SCHEMA = Path(__file__).resolve().parents[3] / "docs/schemas/acknowledgements/1.json"
GOOD: dict[str, Any] = {
    "version": 1,
    "sequence": 12,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "received_at": "2026-11-20T12:00:00Z",
    "rows": {"accepted": 127, "rejected": 1},
    "rejected": [
        {
            "case_number": "c-17",
            "stage": "chargeback",
            "action_sequence": 1,
            "network": "visa",
            "code": "unknown_arn",
            "reason": "No sale with this ARN.",
        }
    ],
}
PLACES: tuple[tuple[str | int, ...], ...] = (
    *((name,) for name in GOOD),
    *(("rows", name) for name in GOOD["rows"]),
    ("rejected", 0),
    *(("rejected", 0, name) for name in GOOD["rejected"][0]),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 1.5, 1.0, 2**63 - 1, 2**63),
    *("", "x", "1", "A" * 64, "0" * 63, "g" * 64, "x" * 1000, "x" * 1001, "a\0b"),
    *("2026-11-20T12:00:00+02:00", [], {}, [{}], [1], [[]]),
)


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def is_read(said: object) -> bool:
    try:
        read_acknowledgement(json.dumps(said).encode())
    except UnreadableAcknowledgementError:
        return False
    return True


def changed() -> Iterator[tuple[str, Any]]:
    """The good one with a member left out, a member more, and each value in each place."""
    for *path, last in PLACES:
        said = copy.deepcopy(GOOD)
        parent = said
        for step in path:
            parent = parent[step]
        for value in VALUES:
            parent[last] = value
            yield f"{[*path, last]} = {value!r}"[:80], copy.deepcopy(said)
        del parent[last]
        yield f"without {[*path, last]}", said
    yield "more", {**GOOD, "more": 1, "rows": {**GOOD["rows"], "more": 1}}


def test_schema_accepts_what_is_read_and_nothing_else(validator: Any) -> None:
    assert is_read(GOOD)
    assert validator.is_valid(GOOD)

    differing = [
        (what, validator.is_valid(said))
        for what, said in changed()
        # The schema names the format of a time, and leaves its digits to a reader of times.
        if "received_at" not in what and validator.is_valid(said) != is_read(said)
    ]

    assert differing == []


@pytest.mark.parametrize(
    ("text", "is_time"),
    [
        ("2026-11-20T12:00:00Z", True),
        ("2026-11-20T12:00:00.123456+05:30", True),
        ("2026-11-20 12:00:00", True),
        ("2026-13-20T12:00:00Z", False),
        ("20 November", False),
        ("", False),
    ],
)
def test_time_of_receipt_is_one_of_iso_8601(text: str, *, is_time: bool) -> None:
    assert is_read({**GOOD, "received_at": text}) is is_time
