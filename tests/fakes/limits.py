"""Spending limits in memory, with every permitted amount that counts against them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from typing_extensions import override

from cardops.ports import SpendingLimits
from cardops.rules.accounts.spending_limits import (
    Allowance,
    LimitKind,
    SpendingLimit,
    merge_limit,
)
from cardops.rules.authorizations.decisions import AccountKey
from tests.oracles.allowances import allowances_at


@dataclass
class FakeSpendingLimits(SpendingLimits):
    """`permitted` is filled by FakeAuthorizations."""

    limits: dict[AccountKey, dict[tuple[LimitKind, int], SpendingLimit]] = field(
        default_factory=dict
    )
    permitted: dict[AccountKey, list[tuple[datetime, int]]] = field(default_factory=dict)
    audit: dict[tuple[str, str], list[dict[str, object]]] = field(default_factory=dict)

    def permit(self, key: AccountKey, at: datetime, amount_minor: int) -> None:
        self.permitted.setdefault(key, []).append((at, amount_minor))

    def allowances(self, key: AccountKey, at: datetime) -> list[Allowance]:
        program, _, currency = key
        of_program = list(self.limits.get((program, "", currency), {}).values())
        own = list(self.limits.get(key, {}).values())
        return allowances_at(of_program, own, self.permitted.get(key, ()), at)

    @override
    def change(
        self,
        program: str,
        user_id: str,
        currency: str,
        limits: Sequence[SpendingLimit],
        *,
        changed_by: str,
    ) -> None:
        own = self.limits.setdefault((program, user_id, currency), {})
        for limit in limits:
            before, after = own.get(limit.key), merge_limit(own.get(limit.key), limit)
            own[limit.key] = after
            self._record(program, user_id, currency, changed_by, before, after)

    @override
    def remove(
        self,
        program: str,
        user_id: str,
        currency: str,
        key: tuple[LimitKind, int],
        *,
        changed_by: str,
    ) -> bool:
        before = self.limits.get((program, user_id, currency), {}).pop(key, None)
        if before is not None:
            self._record(program, user_id, currency, changed_by, before, None)
        return before is not None

    @override
    def own(self, program: str, user_id: str) -> Mapping[str, Sequence[SpendingLimit]]:
        return {
            key[2]: [limits[limit_key] for limit_key in sorted(limits)]
            for key, limits in sorted(self.limits.items())
            if key[:2] == (program, user_id) and limits
        }

    @override
    def used(self, program: str, user_id: str, at: datetime) -> Mapping[str, Sequence[Allowance]]:
        currencies = sorted({*self.own(program, ""), *self.own(program, user_id)})
        return {
            currency: self.allowances((program, user_id, currency), at) for currency in currencies
        }

    def changes(self, program: str, user_id: str) -> Sequence[Mapping[str, object]]:
        return self.audit.get((program, user_id), [])

    def _record(
        self,
        program: str,
        user_id: str,
        currency: str,
        changed_by: str,
        before: SpendingLimit | None,
        after: SpendingLimit | None,
    ) -> None:
        self.audit.setdefault((program, user_id), []).append(
            {
                "changed_at": datetime.now(UTC),
                "changed_by": changed_by,
                "before": _as_json(currency, before),
                "after": _as_json(currency, after),
            }
        )


def _as_json(currency: str, limit: SpendingLimit | None) -> dict[str, object] | None:
    return {"currency": currency, **asdict(limit)} if limit else None
