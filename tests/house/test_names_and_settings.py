"""The generic top-level names are ours, and .env.example lists every setting."""

import importlib.metadata
import importlib.util
import re
from pathlib import Path

import pytest

from cardops.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = [
    "cardops",
    "assets",
    "resources",
    "sensors",
    "orchestration",
    "authorizer",
    "simulation",
]


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_top_level_name_resolves_inside_this_repository(name: str) -> None:
    spec = importlib.util.find_spec(name)

    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_no_other_distribution_claims_a_top_level_name(name: str) -> None:
    owners = set(importlib.metadata.packages_distributions().get(name, []))

    assert owners <= {"cardops"}


def test_example_lists_every_setting_and_nothing_else() -> None:
    listed = set(
        re.findall(r"^# (CARDOPS_[A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )

    assert listed == {f"CARDOPS_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize(
    ("lock", "least"),
    [
        ("requirements.lock", 101),
        ("requirements-dev.lock", 101),
        ("requirements-spark.lock", 4),
        ("requirements-spark-iceberg.lock", 3),
    ],
)
def test_lock_has_hashes_and_no_index_address(lock: str, least: int) -> None:
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[a-z0-9-]+==\S+.*$", text, re.MULTILINE)

    assert len(pins) >= least
    assert all(pin.endswith("\\") for pin in pins), "a pin without hashes"
    assert not re.search(r"https?://|--index|--extra-index|--find-links", text)
