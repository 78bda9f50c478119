"""Create card programs, their callback secrets and the demo key."""

import secrets
from collections.abc import Mapping
from typing import Final

from cardops.ports import Clock, Programs, SecretStore
from cardops.rules.callbacks.secrets import SECRET_BYTES, secret_name, with_new_secret
from cardops.rules.chargebacks.clocks import clock_problem
from cardops.rules.chargebacks.routing import route_problem
from cardops.rules.currencies import EXPONENTS
from cardops.rules.errors import ExplainedError
from cardops.rules.programs.api_keys import Scope
from cardops.rules.programs.programs import Program, host_problem, program_problem

CHARGEBACK_MODES: Final = ("by_network", "size_balanced")
DEMO_KEY: Final = "demo_key"


class InvalidProgramError(ExplainedError):
    """A program cannot have this name, currency, mode or callback host."""


class ProgramMissingError(ExplainedError):
    """No program has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no program {name}; `cardops program list` shows the programs.")


class ProgramAdministration:
    """Programs and what belongs to each from its first day: a callback secret."""

    def __init__(self, programs: Programs, secret_store: SecretStore, clock: Clock) -> None:
        self._programs = programs
        self._secret_store = secret_store
        self._clock = clock

    def find(self, name: str) -> Program:
        """Raises ProgramMissingError."""
        program = self._programs.find(name)
        if program is None:
            raise ProgramMissingError(name)
        return program

    def create(self, program: Program) -> str | None:
        """Create the program and its callback secret, which is returned; None where it exists.

        Raises InvalidProgramError.
        """
        check_program(program)
        if not self._programs.create(program):
            return None
        return self.add_callback_secret(program.program)

    def ensure(self, program: Program) -> bool:
        """True where the program was missing and is created. Raises InvalidProgramError."""
        return self._programs.find(program.program) is None and self.create(program) is not None

    def set_network_routes(self, name: str, routes: Mapping[str, str | None], set_by: str) -> None:
        """Contracts for schemes without a route of their own; None ends one.

        Raises InvalidProgramError where any of them is not possible, and changes nothing then.
        """
        problems = [route_problem(scheme, network) for scheme, network in routes.items()]
        found = [problem for problem in problems if problem]
        if found:
            raise InvalidProgramError(" ".join(found))
        for scheme, network in routes.items():
            self._programs.set_network_route(name, scheme, network, set_by=set_by)

    def set_response_days(self, name: str, days: Mapping[str, int | None], set_by: str) -> None:
        """Days the processor leaves by `<network>/<stage>`; None: the published ones again.

        Raises InvalidProgramError where any of them is not possible, and changes nothing then.
        """
        problems = [clock_problem(clock, number) for clock, number in days.items()]
        found = [problem for problem in problems if problem]
        if found:
            raise InvalidProgramError(" ".join(found))
        for clock, number in days.items():
            network, _, stage = clock.partition("/")
            self._programs.set_response_days(name, network, stage, number, set_by=set_by)

    def add_callback_secret(self, name: str) -> str:
        """A new callback secret; the one before it stays valid until the next."""
        secret, value = with_new_secret(
            self._secret_store.get(secret_name(name)),
            secrets.token_bytes(SECRET_BYTES),
            self._clock.now(),
        )
        self._secret_store.put(secret_name(name), value)
        return secret

    def demo_key(self, program: str) -> str:
        """A test key of the program, the same on every call until it is revoked."""
        stored = self._secret_store.get(DEMO_KEY) or {}
        live = {key.key_id for key in self._programs.keys(program) if key.revoked_at is None}
        if stored.get("key_id") in live:
            return str(stored["key"])
        scopes = tuple(scope.value for scope in Scope)
        created = self._programs.create_key(program, "demo", scopes, is_test=True)
        self._secret_store.put(DEMO_KEY, {"key_id": created.key_id, "key": created.key})
        return created.key


def check_program(program: Program) -> None:
    """Raises InvalidProgramError with one sentence for each problem."""
    problems = [program_problem(program.program)]
    problems += [host_problem(host) for host in program.callback_hosts]
    if program.currency not in EXPONENTS:
        problems.append("The currency must be an upper-case ISO 4217 code such as USD.")
    if program.chargeback_mode not in CHARGEBACK_MODES:
        problems.append(f"The mode must be {' or '.join(CHARGEBACK_MODES)}.")
    found = [problem for problem in problems if problem]
    if found:
        raise InvalidProgramError(" ".join(found))
