"""Who asks for what a command does, for what is recorded of it."""

from orchestration.account import whoami
from orchestration.cli.output import CommandError


def person_of(by: str | None) -> str:
    """The person of `--by`; without it, who runs this command. Raises CommandError for an empty name."""
    person = whoami() if by is None else by.strip()
    if not person:
        raise CommandError(
            "--by is empty, so nothing was done; name who asks for it, or leave it out for your own account."
        )
    return person
