"""A program's policy: whether disputed money is given back to the user meanwhile, by which rules.

Belongs here: what a policy may say. Its clocks are data, read in clocks.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from cardops.rules.errors import ExplainedError
from cardops.rules.provisional.clocks import ClockName, Preset, find_clock

# The banking days of the Federal Reserve, as the library `holidays` names them.
US_BANKING_DAYS: Final = "XFED"
MAX_NOTICE_DAYS: Final = 30


class InvalidPolicyError(ExplainedError):
    """The policy was not stored; the message says why."""


class PolicyName(StrEnum):
    """What a program chooses from: the regulations that have clocks, or none."""

    REGULATION_E = "regulation_e"
    REGULATION_Z = "regulation_z"
    NONE = "none"

    @property
    def preset(self) -> Preset | None:
        """The clocks, or None where nothing is given back."""
        return None if self is PolicyName.NONE else Preset(self.value)


@dataclass(frozen=True, slots=True)
class ProvisionalPolicy:
    """A program's policy for disputes of which it was notified on `since_on` or later.

    `credit_days`: business days until the credit, where sooner than the regulation asks; None for its
    own. `notice_days`: business days between the notice and taking back, None for the regulation's.
    `withheld_minor`: US cents by which the credit is lower where a transaction may be unauthorized.
    """

    program: str
    name: PolicyName
    since_on: date
    set_by: str
    credit_days: int | None = None
    notice_days: int | None = None
    withheld_minor: int = 0


def completed(policy: ProvisionalPolicy) -> ProvisionalPolicy:
    """The policy, with the regulation's notice where it names none. Raises InvalidPolicyError."""
    least = _least_notice(policy.name, policy.since_on)
    whole = policy if policy.notice_days is not None else replace(policy, notice_days=least)
    problems = _problems(whole, least)
    if problems:
        raise InvalidPolicyError(" ".join(problems))
    return whole


def policy_on(policies: Sequence[ProvisionalPolicy], notified_on: date) -> ProvisionalPolicy | None:
    """The policy for a dispute notified on that date; of several since one date, the last set.

    `policies`: one program's, in the order in which they were set.
    """
    in_force = [policy for policy in policies if policy.since_on <= notified_on]
    return _last(in_force) if in_force else None


def policy_of(
    policies: Sequence[ProvisionalPolicy], notified_on: date, credited_by: str | None
) -> ProvisionalPolicy | None:
    """The same; of a dispute with a credit, the policy by whose name that was given.

    The program may have changed its policy since, or learned of an earlier date of the dispute: what
    was given must still end.
    """
    same = [policy for policy in policies if policy.name == credited_by]
    if credited_by is None or not same:
        return policy_on(policies, notified_on)
    return policy_on(same, notified_on) or same[-1]


def _last(in_force: Sequence[ProvisionalPolicy]) -> ProvisionalPolicy:
    latest = max(policy.since_on for policy in in_force)
    return [policy for policy in in_force if policy.since_on == latest][-1]


def _least_notice(name: PolicyName, on: date) -> int:
    if name.preset is None:
        return 0
    clock = find_clock(name.preset, ClockName.NOTICE_BEFORE_TAKING_BACK, on)
    return clock.count if clock else 0


def _problems(policy: ProvisionalPolicy, least_notice: int) -> Sequence[str]:
    found = []
    preset = policy.name.preset
    if preset is None and (policy.credit_days is not None or policy.withheld_minor):
        found.append("The policy none gives nothing back, so it has no days and no amounts.")
    if policy.credit_days is not None and policy.credit_days < 0:
        found.append("Business days until the credit cannot be negative.")
    if preset and not least_notice <= (policy.notice_days or 0) <= MAX_NOTICE_DAYS:
        found.append(
            f"{policy.name} needs from {least_notice} to {MAX_NOTICE_DAYS} business days between "
            "the notice and taking back."
        )
    most = find_clock(preset, ClockName.WITHHELD_AT_MOST, policy.since_on) if preset else None
    if policy.withheld_minor < 0 or policy.withheld_minor > (most.count if most else 0):
        found.append(
            f"{policy.name} lets at most {(most.count if most else 0) / 100:.2f} USD be withheld."
        )
    return found
