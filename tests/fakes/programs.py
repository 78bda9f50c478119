"""Programs and API keys in memory: the ports Programs and CallerDirectory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from typing_extensions import override

from cardops.ports import CallerDirectory, Programs
from cardops.rules.programs.api_keys import (
    ApiKey,
    Caller,
    NewKey,
    key_text,
    secret_sha256,
)
from cardops.rules.programs.programs import Program

MADE_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class FakePrograms(Programs, CallerDirectory):
    """Has the program `default` from the start."""

    def __init__(self, programs: dict[str, Program] | None = None) -> None:
        self.programs = {"default": Program("default")} if programs is None else programs
        self.by_id: dict[str, ApiKey] = {}
        self.hashes: dict[str, bytes] = {}
        self.blocked: set[tuple[str, str]] = set()
        self.accounts: set[tuple[str, str]] = set()

    @override
    def create(self, program: Program) -> bool:
        is_new = program.program not in self.programs
        self.programs.setdefault(program.program, replace(program, created_at=MADE_AT))
        return is_new

    @override
    def find(self, program: str) -> Program | None:
        return self.programs.get(program)

    @override
    def all(self) -> Sequence[Program]:
        return [self.programs[name] for name in sorted(self.programs)]

    @override
    def set_network_route(
        self, program: str, scheme: str, network: str | None, *, set_by: str
    ) -> None:
        found = self.programs[program]
        routes = {**found.network_routes, scheme: network}
        kept = {name: route for name, route in routes.items() if route is not None}
        self.programs[program] = replace(found, network_routes=kept)

    @override
    def set_response_days(
        self, program: str, network: str, stage: str, days: int | None, *, set_by: str
    ) -> None:
        found = self.programs[program]
        clocks = {**found.response_days, f"{network}/{stage}": days}
        kept = {name: number for name, number in clocks.items() if number is not None}
        self.programs[program] = replace(found, response_days=kept)

    @override
    def create_key(
        self, program: str, name: str, scopes: Sequence[str], *, is_test: bool
    ) -> NewKey:
        key_id, secret = f"key{len(self.by_id) + 1}", "s" * 40
        self.by_id[key_id] = ApiKey(key_id, program, name, is_test, tuple(scopes), MADE_AT)
        self.hashes[key_id] = secret_sha256(secret)
        return NewKey(key_id, key_text(key_id, secret, is_test=is_test), program, tuple(scopes))

    @override
    def keys(self, program: str | None = None) -> Sequence[ApiKey]:
        return [key for key in self.by_id.values() if program in {None, key.program}]

    @override
    def revoke_key(self, key_id: str) -> bool:
        if key_id not in self.by_id:
            return False
        key = self.by_id[key_id]
        self.by_id[key_id] = replace(key, revoked_at=key.revoked_at or MADE_AT)
        return True

    @override
    def set_blocked(
        self, program: str, user_id: str, *, is_blocked: bool, changed_by: str = "unnamed"
    ) -> None:
        (self.blocked.add if is_blocked else self.blocked.discard)((program, user_id))

    @override
    def has_account(self, program: str, user_id: str) -> bool:
        return (program, user_id) in self.accounts

    @override
    async def find_caller(self, key_id: str) -> Caller | None:
        key = self.by_id.get(key_id)
        if key is None or key.revoked_at is not None:
            return None
        program = self.programs[key.program]
        return Caller(
            key_id,
            key.program,
            key.is_test,
            frozenset(key.scopes),
            self.hashes[key_id],
            program.currency,
            frozenset(program.callback_hosts),
        )

    @override
    async def is_ready(self) -> bool:
        return True
