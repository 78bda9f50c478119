"""deploy/install.py: uv with pip's configuration, and pip where uv is missing or fails."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "install.py"


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pips_configuration_is_handed_to_uv(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written = tmp_path / "pip.conf"
    written.write_text(
        "[global]\nindex-url = https://mirror.example/packages\nfind-links = /a /b\n"
        "[install]\ntrusted-host = mirror.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(written))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://second.example/packages")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    variables = install.uv_environment()

    assert variables["UV_DEFAULT_INDEX"] == "https://mirror.example/packages"
    assert variables["UV_INDEX"] == "https://second.example/packages"
    assert variables["UV_FIND_LINKS"] == "/a,/b"
    assert variables["UV_INSECURE_HOST"] == "mirror.example"


@pytest.mark.parametrize("uv", [None, "/bin/false"])
@pytest.mark.parametrize("other", [[], ["other/bin/python"]])
def test_pip_installs_where_uv_is_missing_or_fails(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, uv: str | None, other: list[str]
) -> None:
    called: list[tuple[str, list[list[str]]]] = []
    monkeypatch.setattr(install, "_uv_on_path", lambda: uv)
    monkeypatch.setattr(install, "_uv_from_pip", lambda: None)
    monkeypatch.setattr(
        install, "_install_with_pip", lambda python, told: called.append((python, told))
    )
    monkeypatch.setattr(install.compileall, "compile_dir", lambda *_, **__: True)
    monkeypatch.setattr("sys.argv", ["install.py", "requirements.lock", *other])

    install.main()

    ((python, told),) = called
    assert python == (other[0] if other else sys.executable)
    # Cardops itself is installed beside its own packages alone.
    assert any("-e" in arguments for arguments in told) == (not other)
    assert all(
        "--require-hashes" in arguments for arguments in told if "requirements.lock" in arguments
    )
