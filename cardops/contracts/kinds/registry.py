"""The kinds that Cardops ingests, by name."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from cardops.contracts.kinds import KIND_NAMES
from cardops.contracts.kinds.profile import KindProfile
from cardops.rules.intake.files import Kind

Kinds = Mapping[Kind, KindProfile]


def _profile(name: str) -> KindProfile:
    profile: KindProfile = getattr(import_module(f"{__package__}.{name}"), name.upper())
    return profile


KINDS: Final[Kinds] = {Kind(name): _profile(name) for name in KIND_NAMES}
