"""Personal data: which columns hold it, and how it is masked in text.

Belongs here: what the event log of a run, which is kept long and read by many, must not show. Card numbers
have rules of their own in card_numbers.
"""

import re
from typing import Final

# Columns of the lake that say who or where a person is. A user's id says neither.
PERSONAL_COLUMNS: Final = frozenset(
    {"email", "ip_address", "device_id", "card_token", "card_bin", "card_last4"}
)
_EMAIL: Final = re.compile(r"[^\s@,;:\"'<>|]+@[^\s@,;\"'<>|]+")
_IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_IPV6: Final = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}(?![\w:])")
MASK: Final = "***"


def mask_personal_data(text: str) -> str:
    """The text without e-mail addresses and IP addresses."""
    for pattern in (_EMAIL, _IPV4, _IPV6):
        text = pattern.sub(MASK, text)
    return text
