"""Which card company a chargeback goes to, and what decided it."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.chargebacks.routing import (
    NETWORKS,
    NetworkEvidence,
    NetworkSource,
    Routed,
    Unroutable,
    leading_digits,
    network_names,
    network_routes,
    route_row,
    scheme_of_name,
    scheme_of_number,
)


@pytest.mark.parametrize(
    ("number", "scheme"),
    [
        ("4111111111111111", "visa"),
        ("4", "visa"),
        ("452088XXXXXX1234", "visa"),
        ("5555 5555 5555 4444", "mastercard"),
        ("222100", "mastercard"),
        ("2720-99", "mastercard"),
        ("272100", None),
        ("222099", None),
        ("2", None),
        ("378282246310005", "amex"),
        ("34", "amex"),
        ("3", None),
        ("6011111111111117", "discover"),
        ("645000", "discover"),
        ("65", "discover"),
        ("30569309025904", "diners"),
        ("36", "diners"),
        ("3530111333300000", "jcb"),
        ("6212345678901232", "unionpay"),
        ("6759649826438453", "maestro"),
        ("****1234", None),
        ("", None),
        (None, None),
    ],
)
def test_leading_digits_identify_the_scheme(number: str | None, scheme: str | None) -> None:
    assert scheme_of_number(number, date(2026, 11, 20)) == scheme


def test_2_series_number_was_unassigned_before_mastercard_got_it() -> None:
    assert scheme_of_number("222300", date(2016, 10, 13)) is None
    assert scheme_of_number("222300", date(2016, 10, 14)) == "mastercard"


@given(st.text(alphabet="0123456789", min_size=1, max_size=19), st.integers(1, 18))
def test_shorter_prefix_never_identifies_another_scheme(digits: str, cut: int) -> None:
    short = scheme_of_number(digits[:cut])

    assert short is None or short == scheme_of_number(digits)


@pytest.mark.parametrize(
    ("evidence", "routed"),
    [
        (
            NetworkEvidence(card_network=" MASTER CARD ", card_number="4111"),
            Routed("mastercard", NetworkSource.COLUMN),
        ),
        (
            NetworkEvidence(card_number="4111", transaction_network="amex"),
            Routed("visa", NetworkSource.CARD_NUMBER),
        ),
        (
            NetworkEvidence(card_network="paypal", card_number="4111"),
            Routed("visa", NetworkSource.CARD_NUMBER),
        ),
        (
            NetworkEvidence(card_number="****1234", transaction_network="American Express"),
            Routed("amex", NetworkSource.TRANSACTION),
        ),
        (
            NetworkEvidence(transaction_provider="visa", reason_code="4853"),
            Routed("visa", NetworkSource.TRANSACTION),
        ),
        (
            NetworkEvidence(transaction_provider="stripe", reason_code="UA02"),
            Routed("discover", NetworkSource.REASON_CODE),
        ),
        (NetworkEvidence(reason_code="53"), Routed("mastercard", NetworkSource.REASON_CODE)),
        (NetworkEvidence(reason_code="83"), Routed("visa", NetworkSource.REASON_CODE)),
        (
            NetworkEvidence(card_network="Diners Club"),
            Routed("discover", NetworkSource.COLUMN),
        ),
    ],
)
def test_first_evidence_of_a_scheme_decides(evidence: NetworkEvidence, routed: Routed) -> None:
    assert route_row(evidence) == routed


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("Visa Debit", "visa"),
        ("VISA_CREDIT_CARD", "visa"),
        ("debit mastercard", "mastercard"),
        ("Mastercard Debit", "mastercard"),
        ("mccredit", "mastercard"),
        ("mc_applepay", "mastercard"),
        ("Amex Corporate Card", "amex"),
        ("nyce_applepay", "nyce"),
        ("debit card", None),
        ("apple pay", None),
        ("klarna", None),
    ],
)
def test_scheme_is_found_beside_kinds_of_cards_and_wallets(name: str, scheme: str | None) -> None:
    assert scheme_of_name(name) == scheme


@pytest.mark.parametrize("name", ["JCB", "UnionPay", "elo"])
def test_scheme_without_a_contract_is_unroutable(name: str) -> None:
    decided = route_row(NetworkEvidence(card_network=name, card_number="4111", reason_code="10.4"))

    assert isinstance(decided, Unroutable)
    assert decided.scheme == name.lower()


def test_contract_routes_a_scheme_without_a_route() -> None:
    evidence = NetworkEvidence(card_number="3530111333300000")

    assert isinstance(route_row(evidence), Unroutable)
    assert route_row(evidence, {"jcb": "discover"}) == Routed("discover", NetworkSource.CARD_NUMBER)


def test_contract_cannot_redirect_a_network_or_add_a_fifth() -> None:
    assert route_row(NetworkEvidence(card_network="visa"), {"visa": "amex"}) == Routed(
        "visa", NetworkSource.COLUMN
    )
    assert isinstance(route_row(NetworkEvidence(card_network="jcb"), {"jcb": "jcb"}), Unroutable)


@given(st.builds(NetworkEvidence, *[st.none() | st.text(max_size=20)] * 5))
def test_row_goes_to_one_of_four_networks_or_nowhere(evidence: NetworkEvidence) -> None:
    decided = route_row(evidence)

    assert isinstance(decided, Unroutable) or decided.network in NETWORKS


def test_every_route_leads_from_a_known_scheme_to_one_of_four() -> None:
    assert set(network_routes()) <= set(network_names().values())
    assert set(network_routes().values()) == set(NETWORKS)


def test_digits_after_a_mask_are_not_leading() -> None:
    assert leading_digits("****4111") == ""
    assert leading_digits("4520 88XX XXXX 1234") == "452088"


@pytest.mark.parametrize("name", ["NYCE", "Pulse", "STAR", "Interlink", "Accel", "SHAZAM"])
@pytest.mark.parametrize("code", ["A02", "F29", "UA02"])
def test_reason_code_never_overrides_a_debit_network(name: str, code: str) -> None:
    decided = route_row(NetworkEvidence(card_network=name, card_number="531260", reason_code=code))

    assert isinstance(decided, Unroutable)
    assert decided.scheme == name.lower()
    assert route_row(NetworkEvidence(card_network=name), {name.lower(): "mastercard"}) == Routed(
        "mastercard", NetworkSource.COLUMN
    )


def test_reason_code_decides_nothing_beside_a_name_that_nobody_knows() -> None:
    unknown = NetworkEvidence(card_network="Regional Debit", reason_code="F29")

    assert isinstance(route_row(unknown), Unroutable)
    for neutral in (None, "", "PayPal", "apple_pay", "credit card"):
        evidence = NetworkEvidence(card_network=neutral, reason_code="F29")
        assert route_row(evidence) == Routed("amex", NetworkSource.REASON_CODE)
