"""The page of dbt's docs: one page, to this machine alone, and nothing else of the home."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cardops.bootstrap import Adapters
from cardops.settings import Settings
from orchestration.cli.checkup import UnhealthyError, _dbt_docs
from orchestration.local.dbt_docs import POLICY, app, build_in_background
from orchestration.local.ports import HOST, write_ports
from tests.servers.listening import listening

ORIGIN = f"http://{HOST}:8080"


def get(docs: "MadeUpDocs", path: str = "/", origin: str = ORIGIN) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app(docs))
        async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
            return await client.get(path)

    return asyncio.run(ask())


@dataclass
class MadeUpDocs:
    """A folder as the builder leaves it."""

    folder: Path

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    @property
    def failure(self) -> Path:
        return self.folder / "failure.log"

    def is_current(self) -> bool:
        return self.page.exists()


@pytest.fixture
def docs(tmp_path: Path) -> MadeUpDocs:
    (tmp_path / "dbt_docs").mkdir()
    (tmp_path / "secrets.json").write_text("secret")
    return MadeUpDocs(tmp_path / "dbt_docs")


def test_page_is_served_with_a_policy_that_lets_it_ask_nobody(docs: MadeUpDocs) -> None:
    docs.page.write_text("<p>äll the models</p>")

    response = get(docs)

    assert (response.status_code, response.text) == (200, "<p>äll the models</p>")
    assert response.headers["content-security-policy"] == POLICY
    assert "default-src 'none'" in POLICY


def test_page_that_is_not_built_yet_says_so_and_then_shows_by_itself(docs: MadeUpDocs) -> None:
    early = get(docs)
    docs.page.write_text("the models")

    assert early.status_code == 503
    assert "is being built" in early.text
    assert 'http-equiv="refresh"' in early.text
    assert get(docs).text == "the models"


def test_failed_build_is_told_where_no_former_page_is_there(docs: MadeUpDocs) -> None:
    docs.failure.write_text("a model is broken")

    response = get(docs)

    assert response.status_code == 503
    assert str(docs.failure) in response.text


@pytest.mark.parametrize(
    "path",
    ["/index.html", "/failure.log", "/../secrets.json", "/%2e%2e/secrets.json", "//etc/passwd"],
)
def test_nothing_else_of_the_home_is_served(docs: MadeUpDocs, path: str) -> None:
    docs.page.write_text("the models")
    docs.failure.write_text("a model is broken")

    response = get(docs, path)

    assert response.status_code == 404


def test_other_names_that_lead_to_this_machine_get_nothing(docs: MadeUpDocs) -> None:
    docs.page.write_text("the models")

    response = get(docs, origin="http://evil.example")

    assert response.status_code == 400


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("print('a model is broken'); raise SystemExit(1)", "a model is broken\n"),
        ("import os; os.kill(os.getpid(), 15)", None),
        ("print('fine')", None),
    ],
    ids=["failed", "ended by a signal", "built"],
)
def test_output_of_a_failed_build_is_kept(
    docs: MadeUpDocs, monkeypatch: pytest.MonkeyPatch, program: str, failure: str | None
) -> None:
    monkeypatch.setattr("orchestration.local.dbt_docs.BUILD", (sys.executable, "-c", program))

    build_in_background(docs).join()

    found = docs.failure.read_text() if docs.failure.exists() else None
    assert found == failure
    assert not list(docs.folder.glob("*.output"))


def test_doctor_says_where_the_page_is(tmp_path: Path) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def told_while_served() -> str:
        async with listening(hang_up) as port:
            write_ports(tmp_path, {"dbt_docs": port})
            return (await asyncio.to_thread(_dbt_docs, adapters)).replace(str(port), "PORT")

    adapters = Adapters(Settings(home=tmp_path))
    before = _dbt_docs(adapters)
    served = asyncio.run(told_while_served())
    after = _dbt_docs(adapters)

    assert before == after == "Not built yet. `cardops up` serves them and prints where."
    assert served == "Not built yet. Served at http://127.0.0.1:PORT."


def test_doctor_knows_the_page_of_a_former_project(tmp_path: Path) -> None:
    adapters = Adapters(Settings(home=tmp_path))
    adapters.dbt_docs.page.parent.mkdir()
    adapters.dbt_docs.page.write_text("the models")

    assert _dbt_docs(adapters).startswith("Of a former project. ")


def test_doctor_names_the_output_of_a_failed_build(tmp_path: Path) -> None:
    adapters = Adapters(Settings(home=tmp_path))
    adapters.dbt_docs.failure.parent.mkdir()
    adapters.dbt_docs.failure.write_text("a model is broken")

    with pytest.raises(UnhealthyError, match=r"so none is served; .*failure\.log says why"):
        _dbt_docs(adapters)
