"""Earlier sales as evidence: Visa's Compelling Evidence 3.0, against a slow model of it."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.rules.chargebacks.compelling_evidence import (
    PriorSales,
    Sale,
    find_prior_sales,
    prior_sales_rule,
)
from tests.oracles.prior_sales import qualifying_elements

DISPUTED_ON = date(2026, 11, 10)
RULE = prior_sales_rule("visa", "10.4", DISPUTED_ON)
DISPUTED = Sale(
    "t1",
    date(2026, 11, 1),
    2500,
    "USD",
    "completed",
    user_id="u1",
    email="a@example.com",
    ip_address="192.0.2.1",
    device_id="d1",
    merchant_id="m1",
    card_bin="411111",
    card_last4="1111",
)


def earlier(name: str, days: int, **changes: object) -> Sale:
    sold_on = DISPUTED_ON - timedelta(days=days)
    return replace(DISPUTED, transaction_id=name, sold_on=sold_on, **changes)  # type: ignore[arg-type]


def found(*sales: Sale, disputed: Sale | None = DISPUTED) -> PriorSales:
    assert RULE is not None
    return find_prior_sales(disputed, DISPUTED_ON, sales, RULE)


def test_two_sales_that_share_device_and_user_qualify() -> None:
    other_ip = {"ip_address": "198.51.100.9"}
    prior = found(earlier("p2", 120, **other_ip), earlier("p1", 365), earlier("p3", 130))

    assert prior.qualifies
    assert [sale.transaction_id for sale in prior.sales] == ["p3", "p1"], (
        "most is shared with these"
    )
    assert prior.elements == ("device_id", "ip_address", "user_id")


@pytest.mark.parametrize(
    "spoilt",
    [
        earlier("p2", 119),
        earlier("p2", 366),
        earlier("p2", 200, is_disputed=True),
        earlier("p2", 200, status="failed"),
        earlier("p2", 200, merchant_id="m2"),
        earlier("p2", 200, card_last4="2222"),
        earlier("t1", 200),
    ],
)
def test_sale_that_does_not_count_leaves_too_few(spoilt: Sale) -> None:
    assert found(earlier("p1", 200), spoilt).missing == ("prior_transactions",)
    assert found(earlier("p1", 200), earlier("p2", 200)).qualifies


def test_what_the_disputed_sale_lacks_is_said() -> None:
    bare = Sale("t1", date(2026, 11, 1), 2500, "USD", "completed")
    ip_alone = replace(bare, ip_address="192.0.2.1", card_bin="4", card_last4="1", merchant_id="m1")

    assert found(disputed=None).missing == ("transaction",)
    assert found(disputed=bare).missing == ("card", "merchant_id", "device_id or ip_address")
    assert found(disputed=ip_alone).missing == ("second_element",)


def test_user_and_address_without_device_or_ip_do_not_suffice() -> None:
    sales = [earlier(f"p{n}", 200, device_id=f"x{n}", ip_address=None) for n in range(3)]

    assert found(*sales).missing == ("shared_elements",)


def test_email_stands_for_the_user_where_one_sale_names_none() -> None:
    sales = [earlier(f"p{n}", 200, user_id=None, device_id=None) for n in range(2)]
    strangers = [replace(sale, email="b@example.com") for sale in sales]

    assert found(*sales).elements == ("ip_address", "user_id")
    assert found(*strangers).missing == ("shared_elements",)


def test_other_reasons_have_no_rule() -> None:
    assert prior_sales_rule("visa", "10.3", DISPUTED_ON) is None
    assert prior_sales_rule("mastercard", "4837", DISPUTED_ON) is None
    assert prior_sales_rule("visa", "10.4", date(2023, 4, 14)) is None


TEXTS = st.sampled_from([None, "", "a", " A", "b"])
SALES = st.builds(
    Sale,
    st.sampled_from(["t1", "p1", "p2", "p3", "p4"]),
    st.sampled_from([DISPUTED_ON - timedelta(days=days) for days in (119, 120, 200, 365, 366)]),
    st.just(100),
    st.just("USD"),
    st.sampled_from(["completed", "completed", "refunded", "failed"]),
    user_id=TEXTS,
    email=TEXTS,
    ip_address=TEXTS,
    device_id=TEXTS,
    shipping_address=TEXTS,
    merchant_id=st.sampled_from(["m1", "m1", "m2"]),
    card_token=st.sampled_from([None, "tok"]),
    card_bin=st.sampled_from(["4", "4", None]),
    card_last4=st.just("1"),
    is_disputed=st.sampled_from([False, False, True]),
)


@settings(max_examples=60)
@given(SALES, st.lists(SALES, max_size=4, unique_by=lambda sale: sale.transaction_id))
def test_rule_agrees_with_a_search_through_all_choices(disputed: Sale, sales: list[Sale]) -> None:
    prior = found(*sales, disputed=disputed)

    expected = qualifying_elements(disputed, DISPUTED_ON, sales)
    assert set(prior.elements) == expected
    assert prior.qualifies == bool(expected)
    assert len(prior.sales) == (2 if expected else 0)
