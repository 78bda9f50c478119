"""Settings as read from the environment."""

from pathlib import Path

import pytest

from cardops.settings import Settings


def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "DATABASE_URL", "RAW_URL", "SECRETS", "DEFAULT_CURRENCY", "UI_PORT"):
        monkeypatch.setenv(f"CARDOPS_{name}", "")

    settings = Settings.load()

    assert settings.home == tmp_path / ".cardops"
    assert settings.store_url("raw") == (tmp_path / ".cardops" / "raw").as_uri()
    assert (settings.default_currency, settings.ui_port) == ("USD", None)
