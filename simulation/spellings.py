"""How reports spell payment methods and providers, and what they mean by it.

Belongs here: texts as feeds have them, which the platform is to read as one name each. What is meant is
told by this list alone, never by the platform's own table of names.
"""

import zlib
from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "unknown"
# A method that no table of names has: kept as it is, in lower case with underscores.
_UNLISTED: Final = "Loyalty Points"
_UNLISTED_NAME: Final = "loyalty_points"
_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "credit_card": ("credit_card", "Credit_Card", "CREDIT CARD", "card", "cc", "Credit-Card"),
    "debit_card": ("debit_card", "Debit Card", "DEBIT-CARD", "debit"),
    "digital_wallet": ("digital_wallet", "Wallet", "e-wallet", "DIGITAL WALLET"),
    "prepaid_card": ("prepaid_card", "Prepaid", "prepaid-card"),
    "bank_transfer": ("bank_transfer", "Wire Transfer", "BANK-TRANSFER", "transfer"),
}
_PROVIDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "stripe": ("stripe", "Stripe", "STRIPE"),
    "adyen": ("adyen", "Adyen", "Adyen N.V."),
    "worldpay": ("worldpay", "WorldPay", "World-Pay"),
    "apple_pay": ("apple_pay", "Apple Pay", "ApplePay"),
    "google_pay": ("google_pay", "Google Pay"),
    "marqeta": ("marqeta", "Marqeta"),
    "ach": ("ach", "ACH"),
    "sepa": ("sepa", "SEPA"),
    "visa": ("visa", "Visa"),
    "mastercard": ("mastercard", "MasterCard"),
    "amex": ("amex", "AMEX"),
    "discover": ("discover", "Discover"),
}
_METHOD_OF: Final = {text: name for name, texts in _METHODS.items() for text in texts}
_PROVIDER_OF: Final = {text: name for name, texts in _PROVIDERS.items() for text in texts}
_NO_METHOD: Final = 2
_UNLISTED_METHOD: Final = 3


def spelled_method(method: str, transaction_id: str) -> str:
    """The method as that report spells it; of a hundred, two name none and one is of no table."""
    place = _place(transaction_id)
    if place < _NO_METHOD:
        return ""
    if place < _UNLISTED_METHOD:
        return _UNLISTED
    return _METHODS[method][place % len(_METHODS[method])]


def spelled_provider(provider: str, transaction_id: str) -> str:
    """The provider as that report spells it."""
    texts = _PROVIDERS[provider]
    return texts[_place(transaction_id) % len(texts)]


def meant_method(text: object) -> str:
    """The method that a report means by this text."""
    if not text:
        return UNKNOWN
    return _UNLISTED_NAME if text == _UNLISTED else _METHOD_OF[str(text)]


def meant_provider(text: object) -> str:
    """The provider that a report means by this text."""
    return _PROVIDER_OF[str(text)] if text else UNKNOWN


def _place(transaction_id: str) -> int:
    """A number below a hundred that only the id decides: the same day is spelled the same way."""
    return zlib.crc32(transaction_id.encode()) % 100
