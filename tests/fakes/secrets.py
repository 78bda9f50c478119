"""The secret store in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from typing_extensions import override

from cardops.ports import SecretStore


@dataclass
class FakeSecretStore(SecretStore):
    """`values` are the secrets by name."""

    values: dict[str, dict[str, object]] = field(default_factory=dict)

    @override
    def get(self, name: str) -> Mapping[str, object] | None:
        return self.values.get(name)

    @override
    def put(self, name: str, value: Mapping[str, object]) -> None:
        self.values[name] = dict(value)

    @override
    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self.values if name.startswith(prefix))
