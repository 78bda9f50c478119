"""ProvisionalPolicies on PostgreSQL."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.provisional.policies import PolicyName, ProvisionalPolicy

# Two at once would take the same number: the key refuses one of them, which is then tried again.
_SET: Final = """
insert into provisional_policies (
    program, change_number, policy, since_on, credit_days, notice_days, withheld_minor, set_by
)
select %(program)s, coalesce(max(change_number), 0) + 1, %(policy)s, %(since_on)s, %(credit_days)s,
    %(notice_days)s, %(withheld_minor)s, %(set_by)s
from provisional_policies where program = %(program)s
on conflict (program, change_number) do nothing
returning change_number
"""
_ALL: Final = """
select program, policy, since_on, set_by, credit_days, notice_days, withheld_minor
from provisional_policies order by program, change_number
"""


class PostgresProvisionalPolicies:
    """Implements cardops.ports.ProvisionalPolicies. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def set(self, policy: ProvisionalPolicy) -> None:
        """Add a policy to the program's."""
        values = {
            "program": policy.program,
            "policy": policy.name,
            "since_on": policy.since_on,
            "credit_days": policy.credit_days,
            "notice_days": policy.notice_days or 0,
            "withheld_minor": policy.withheld_minor,
            "set_by": policy.set_by,
        }
        while not run_in_transaction(
            self._url, lambda session: session.execute(_SET, values).fetchall()
        ):
            pass

    def all(self) -> Mapping[str, Sequence[ProvisionalPolicy]]:
        """Program -> its policies in the order in which they were set."""
        rows = run_in_transaction(self._url, lambda session: session.execute(_ALL).fetchall())
        found = [ProvisionalPolicy(row[0], PolicyName(row[1]), *row[2:]) for row in rows]
        return {
            program: list(policies)
            for program, policies in groupby(found, key=lambda policy: policy.program)
        }
