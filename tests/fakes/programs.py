"""Programs in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from cardops.ports import Programs
from cardops.rules.access import Program


@dataclass
class FakePrograms(Programs):
    """Knows programs; keys are not its matter."""

    programs: dict[str, Program] = field(default_factory=lambda: {"default": Program("default")})

    @override
    def create(self, program: Program) -> bool:
        is_new = program.program not in self.programs
        self.programs.setdefault(program.program, program)
        return is_new

    @override
    def find(self, program: str) -> Program | None:
        return self.programs.get(program)

    @override
    def all(self) -> Sequence[Program]:
        return [self.programs[name] for name in sorted(self.programs)]
