"""What a process of Dagster keeps from one resource to the next."""

from pathlib import Path

import pytest

from cardops.settings import SettingsError
from resources.adapters import adapters

pytestmark = pytest.mark.dagster


def test_settings_are_read_again_where_a_variable_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CARDOPS_HOME", str(tmp_path / "a"))
    first = adapters()
    assert adapters().settings is first.settings
    assert adapters() is not first

    monkeypatch.setenv("CARDOPS_HOME", str(tmp_path / "b"))
    assert adapters().settings.home == tmp_path / "b"
    monkeypatch.setenv("cardops_default_currency", "EUR")
    assert adapters().settings.default_currency == "EUR"
    monkeypatch.setenv("CARDOPS_WAITING_DAYS", "none")
    with pytest.raises(SettingsError, match="CARDOPS_WAITING_DAYS"):
        adapters()


def test_settings_are_read_again_where_the_file_or_the_folder_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CARDOPS_HOME", raising=False)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    assert adapters().settings.home == tmp_path / ".cardops"
    assert adapters().settings.default_currency == "USD"

    (tmp_path / ".env").write_text("CARDOPS_DEFAULT_CURRENCY=EUR\n")
    assert adapters().settings.default_currency == "EUR"
    monkeypatch.chdir(tmp_path / "other")
    assert adapters().settings.home == tmp_path / "other" / ".cardops"
    assert adapters().settings.default_currency == "USD"
