"""The authorizer in its own process, called over HTTP as a partner calls it."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.programs.api_keys import Scope
from cardops.rules.programs.programs import Program
from tests.servers.warm_authorizer import WarmAuthorizer

SCOPES = tuple(scope.value for scope in Scope)
CLI = "from orchestration.cli.main import main; main()"


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The problem's slug; asserts that the response is a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        slug: str = self.json["type"].removeprefix("/problems/")
        return slug


@dataclass
class AuthorizerProcess:
    """A running authorizer; `with` starts and kills it. `credit` stands in for a deposit.

    It is forked from a process that has imported what it needs: an interpreter of its own takes two
    seconds of a processor. `anew` starts one, as do workers, another command and another release.
    """

    url: str
    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    command: str = CLI
    anew: bool = False
    process: "subprocess.Popen[bytes] | WarmAuthorizer" = field(init=False)

    def __enter__(self) -> Self:
        self.programs = PostgresPrograms(self.url)
        self.programs.create(Program("default", callback_hosts=("hooks.example.com",)))
        self.programs.create(Program("other"))
        self.key = self.programs.create_key("default", "test", SCOPES, is_test=True).key
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._close_streams()

    @contextmanager
    def second_process(self, **changes: Any) -> Iterator[Self]:
        """A second process on the same database, called with the same key."""
        other = replace(self, **changes)
        other.programs, other.key = self.programs, self.key
        other.start()
        try:
            yield other
        finally:
            other.kill()

    def start(self) -> None:
        self.process = self._started()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.home / "authorizer.log").read_text()[-2000:]
        self.port = json.loads(line)["port"]

    def _started(self) -> "subprocess.Popen[bytes] | WarmAuthorizer":
        arguments = ["authorizer", "--port", "0", "--json", "--workers", str(self.workers)]
        variables = environment(self.url, self.home, self.settings)
        log = self.home / "authorizer.log"
        is_ours = self.command == CLI and "PYTHONPATH" not in self.settings
        if is_ours and self.workers == 1 and not self.anew:
            return WarmAuthorizer(arguments, variables, log)
        with log.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-c", self.command, *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=variables,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close_streams()

    def credit(self, user_id: str, amount_minor: int, *, program: str = "default") -> None:
        with connect(self.url) as session:
            session.execute(
                "insert into accounts (program, user_id, currency, available_minor, ledger_seq) "
                "values (%s, %s, 'USD', %s, 1)",
                [program, user_id, amount_minor],
            )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request on a new connection; `key=None` sends no key."""
        all_headers = {"content-type": "application/json"} if body is not None else {}
        if key is not None:
            all_headers["authorization"] = f"Bearer {key or self.key}"
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, content, all_headers | dict(headers or {}))
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, received, response.read())
        finally:
            connection.close()

    def authorize(self, body: Any, **options: Any) -> Reply:
        return self.call("POST", "/v1/authorizations", body, **options)

    def _close_streams(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def environment(url: str, home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("CARDOPS_")
    }
    return {**inherited, "CARDOPS_DATABASE_URL": url, "CARDOPS_HOME": str(home), **settings}
