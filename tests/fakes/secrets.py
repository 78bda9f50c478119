"""The secret store in memory."""

from collections.abc import Mapping

from typing_extensions import override

from cardops.ports import SecretStore


class FakeSecretStore(SecretStore):
    def __init__(self) -> None:
        self.values: dict[str, dict[str, object]] = {}

    @override
    def get(self, name: str) -> Mapping[str, object] | None:
        return self.values.get(name)

    @override
    def put(self, name: str, value: Mapping[str, object]) -> None:
        self.values[name] = dict(value)
