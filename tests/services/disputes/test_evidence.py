"""Evidence of disputes: filled from the lake, added by people, stored under its hash."""

import hashlib
from datetime import date

import pytest

from cardops.rules.chargebacks.evidence_files import EvidenceRefusedError, evidence_key
from cardops.services.disputes.recording import CaseName, UnclearRecordError
from tests.factories.evidence import PDF, EvidenceWorld

DIGEST = hashlib.sha256(PDF).hexdigest()


@pytest.fixture
def world() -> EvidenceWorld:
    world = EvidenceWorld()
    world.sell("t1", date(2026, 11, 1))
    world.sell("p1", date(2026, 3, 1))
    world.dispute("c1")
    return world


def test_lake_fills_device_address_and_user_of_the_disputed_sale(world: EvidenceWorld) -> None:
    found = world.of("c1").filled

    assert found.reason_group == "fraud_card_absent"
    values = {item.item.name: item.value for item in found.items if item.value}
    assert values == {
        "transaction_details": "t1: 25.00 USD on 2026-11-01, completed",
        "order_reference": "o-t1",
        "ip_address": "192.0.2.1",
        "device_id": "d1",
        "email": "a@example.com",
        "user_id": "u1",
    }
    assert found.prior_sales is not None
    assert found.prior_sales.missing == ("prior_transactions",)
    assert "product_description" in found.missing


def test_second_undisputed_sale_makes_prior_sales_evidence(world: EvidenceWorld) -> None:
    world.sell("p2", date(2026, 4, 1), ip_address="198.51.100.7")
    world.sell("p3", date(2026, 5, 1), device_id=None, user_id=None, email=None)
    found = world.of("c1").filled

    values = {item.item.name: item.value for item in found.items}
    expected = "p2 on 2026-04-01, p1 on 2026-03-01; same device_id, user_id"
    assert values["prior_undisputed_transactions"] == expected
    assert found.missing == ("product_description",)
    world.add("c1", "product_description")
    assert world.of("c1").filled.is_complete


def test_disputed_sale_is_no_evidence(world: EvidenceWorld) -> None:
    world.sell("p2", date(2026, 4, 1))
    world.dispute("c9", "p2")

    prior = world.of("c1").filled.prior_sales
    assert prior is not None
    assert prior.missing == ("prior_transactions",)


def test_unknown_transaction_leaves_all_to_a_person(world: EvidenceWorld) -> None:
    world.dispute("c2", "t99", reason_code="13.1")
    found = world.of("c2").filled

    assert {item.item.name for item in found.items if item.value} == set()
    assert found.missing[0] == "transaction_details"


def test_same_file_twice_changes_nothing(world: EvidenceWorld) -> None:
    first, again = (world.add("c1", "receipt") for _ in range(2))

    assert (first[1], again[1]) == (True, False)
    assert first[0] == again[0]
    assert (first[0].change.changed_by, first[0].changed_at) == ("ann", world.intake.clock.now())
    assert world.store.contents == {evidence_key(DIGEST): PDF}
    assert [file.sha256 for file in world.of("c1").filled.files] == [DIGEST]


def test_file_is_stored_once_for_two_items_and_two_disputes(world: EvidenceWorld) -> None:
    world.dispute("c2")
    for case, item in (("c1", "receipt"), ("c1", "signed_receipt"), ("c2", "receipt")):
        assert world.add(case, item)[1]

    assert list(world.store.contents) == [evidence_key(DIGEST)]


def test_adding_a_damaged_file_again_mends_what_is_stored(world: EvidenceWorld) -> None:
    world.add("c1", "receipt")
    world.store.replace(evidence_key(DIGEST), b"%PDF-1.7 altered")

    assert not world.add("c1", "receipt")[1]
    assert world.store.contents[evidence_key(DIGEST)] == PDF


def test_removed_file_is_not_sent_any_more_and_may_be_added_again(world: EvidenceWorld) -> None:
    world.add("c1", "receipt")
    removed, is_new = world.service.remove(
        CaseName("c1"), DIGEST[:8], item="receipt", by="bea", why="of another customer"
    )

    assert is_new
    assert (removed.change.changed_by, removed.change.why) == ("bea", "of another customer")
    assert world.of("c1").filled.files == ()
    assert world.add("c1", "receipt")[1]
    assert len(world.of("c1").filled.files) == 1


def test_what_cannot_be_added_or_removed_changes_nothing(world: EvidenceWorld) -> None:
    for sentence, item, content in (
        ("is no item of evidence", "recipe", PDF),
        ("is no PDF", "receipt", b"PK\x03\x04"),
    ):
        with pytest.raises(EvidenceRefusedError, match=sentence):
            world.add("c1", item, content)
    with pytest.raises(UnclearRecordError, match="file's name"):
        world.add("c1", "receipt", name="a\tb.pdf")
    for digits in ("ab", "0" * 64):
        with pytest.raises(EvidenceRefusedError, match="nothing was removed"):
            world.service.remove(CaseName("c1"), digits, item="receipt", by="ann", why="wrong")

    assert world.evidence.changes == []
    assert world.store.contents == {}
