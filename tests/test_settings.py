"""Settings as read from the environment."""

from datetime import date
from pathlib import Path

import pytest

from cardops.settings import Settings, SettingsError

PLACES = ("raw_url", "processed_url", "failed_url", "lake_url", "iceberg_url", "secrets",
          "events_queue_url", "notify_topic_arn", "pages_url")  # fmt: skip


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "DATABASE_URL", "RAW_URL", "SECRETS", "DEFAULT_CURRENCY", "UI_PORT"):
        monkeypatch.setenv(f"CARDOPS_{name}", "")

    settings = Settings.load()

    assert settings.home == tmp_path / ".cardops"
    assert settings.store_url("raw") == (tmp_path / ".cardops" / "raw").as_uri()
    assert (settings.default_currency, settings.ui_port) == ("USD", None)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("HOME", "/srv/price$5", "has '$', with which no database opens"),
        ("HOME", '/srv/a"b', "has '\"', with which"),
        ("HOME", "/srv/a`b", "has '`', with which"),
        ("HOME", "/srv/a,b", "has ',', with which"),
        ("HOME", "/srv/k=v", "names a column"),
        ("LAKE_URL", "s3://bucket/env=prod/lake", "names a column"),
        ("LAKE_URL", "file:///tmp/env%3Dprod", "names a column"),
    ],
)
def test_path_that_no_database_opens_is_refused(
    setting: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CARDOPS_{setting}", value)

    with pytest.raises(SettingsError, match=f"CARDOPS_{setting} is not usable") as error:
        Settings.load()

    assert sentence in str(error.value)


def test_copy_keeps_the_rules_and_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store, queue, topic or secret of the original is never the copy's."""
    for name in PLACES:
        monkeypatch.setenv(f"CARDOPS_{name.upper()}", "s3://live")
    monkeypatch.setenv("CARDOPS_HOLD_SECONDS", "60")
    monkeypatch.setenv("CARDOPS_FIRST_BUSINESS_DATE", "2026-11-01")

    copy = Settings.load().of_copy(Path("/copy"), "postgresql:///copy")

    assert (copy.home, copy.database_url) == (Path("/copy"), "postgresql:///copy")
    assert (copy.hold_seconds, copy.first_business_date) == (60, date(2026, 11, 1))
    assert {getattr(copy, name) for name in PLACES} == {None}
    assert copy.store_url("lake") == "file:///copy/lake"
