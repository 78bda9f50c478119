"""What two users share, and what people see of it."""

from datetime import date

import pytest

from cardops.rules.fraud.identifiers import (
    COLUMNS,
    IdentifierKind,
    masked,
    normalised,
    reason_to_ignore,
)
from cardops.rules.fraud.limits import ring_limits

EMAIL, IP = IdentifierKind.EMAIL, IdentifierKind.IP_ADDRESS
DEVICE, TOKEN = IdentifierKind.DEVICE, IdentifierKind.CARD_TOKEN


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (EMAIL, " Ann.Lee+shop@GMail.com ", "annlee@gmail.com"),
        (EMAIL, "annlee@googlemail.com", "annlee@gmail.com"),
        (EMAIL, "ann.lee+1@outlook.com", "ann.lee@outlook.com"),
        # Another provider may well deliver these to different people.
        (EMAIL, "Ann.Lee+shop@example.com", "ann.lee+shop@example.com"),
        (EMAIL, "not an address", "not an address"),
        (EMAIL, "  ", None),
        (IP, "::FFFF:198.51.100.7", "198.51.100.7"),
        (IP, "2001:DB8::1", "2001:db8::1"),
        (DEVICE, " Dev-1 ", "dev-1"),
        (TOKEN, " tok_aB ", "tok_aB"),
        (TOKEN, None, None),
    ],
)
def test_value_is_compared_as_its_kind_says(
    kind: IdentifierKind, value: str | None, expected: str | None
) -> None:
    assert normalised(kind, value) == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [(DEVICE, "unknown"), (TOKEN, "NULL"), (IP, "10.1.2.3"), (IP, "127.0.0.1"), (IP, "::1")],
)
def test_placeholder_links_nobody(kind: IdentifierKind, value: str) -> None:
    assert reason_to_ignore(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"), [(DEVICE, "dev-1"), (IP, "100.64.0.1"), (IP, "172.32.0.1"), (IP, "1.2.3.4")]
)
def test_other_values_may_link(kind: IdentifierKind, value: str) -> None:
    assert reason_to_ignore(kind, value) is None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (EMAIL, "annlee@gmail.com", "a***@gmail.com"),
        (EMAIL, "no address", "***"),
        (IP, "198.51.100.7", "198.51.***"),
        (IP, "2001:db8::1", "2001:db8:***"),
        (DEVICE, "dev-00000001a2b3", "***a2b3"),
        (TOKEN, "tok-1", "***"),
    ],
)
def test_people_see_part_of_a_value(kind: IdentifierKind, value: str, expected: str) -> None:
    assert masked(kind, value) == expected


def test_every_kind_has_a_limit_and_a_column() -> None:
    limits = ring_limits(date(2026, 11, 20))

    assert set(limits.max_users) == set(IdentifierKind) == set(COLUMNS)
    assert min(limits.max_users.values()) > 1
    assert limits.is_hub(IP, limits.max_users[IP] + 1)
    assert not limits.is_hub(IP, limits.max_users[IP])
    assert limits.max_members > max(limits.max_users.values())
