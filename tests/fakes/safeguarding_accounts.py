"""SafeguardingAccounts in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from typing_extensions import override

from cardops.ports import SafeguardingAccounts
from cardops.rules.bank.safeguarding import SafeguardingAccount


@dataclass
class FakeSafeguardingAccounts(SafeguardingAccounts):
    """Entries in the order in which they were added."""

    entries: list[SafeguardingAccount] = field(default_factory=list)

    @override
    def add(self, account: SafeguardingAccount) -> bool:
        if self._position(account.program, account.account_id) is not None:
            return False
        self.entries.append(account)
        return True

    @override
    def remove(self, program: str, account_id: str, until_on: date, removed_by: str) -> bool:
        position = self._position(program, account_id)
        if position is None:
            return False
        entry = self.entries[position]
        until = max(until_on, entry.since_on)
        self.entries[position] = replace(entry, until_on=until, removed_by=removed_by)
        return True

    @override
    def all(self) -> Sequence[SafeguardingAccount]:
        return sorted(
            self.entries, key=lambda entry: (entry.program, entry.account_id, entry.since_on)
        )

    def _position(self, program: str, account_id: str) -> int | None:
        for position, entry in enumerate(self.entries):
            if (entry.program, entry.account_id, entry.until_on) == (program, account_id, None):
                return position
        return None
