"""What is masked in text that many read."""

import pytest

from cardops.rules.personal_data import mask_personal_data


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("t1,ana@example.com,5.00", "t1,***,5.00"),
        ('{"email": "ana.b+c@mail.example.co.uk"}', '{"email": "***"}'),
        ("t1,192.0.2.7,5.00", "t1,***,5.00"),
        ("t1,2001:db8::8:800:200c:417a,5.00", "t1,***,5.00"),
        ("t1,2001:0db8:0000:0000:0008:0800:200c:417a", "t1,***"),
        # What only looks alike stays: amounts, instants, versions.
        ("t1,5.00,2026-11-20T10:00:00Z,v1.2.3", "t1,5.00,2026-11-20T10:00:00Z,v1.2.3"),
        ("10:00:00", "10:00:00"),
    ],
)
def test_addresses_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert mask_personal_data(text) == masked
