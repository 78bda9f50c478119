"""Manifests of evidence: each reason has one, filled by the lake and by people."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.rules.chargebacks.compelling_evidence import Sale
from cardops.rules.chargebacks.disputes import DisputeKey, Stage
from cardops.rules.chargebacks.evidence import (
    DisputeFacts,
    EvidenceFile,
    FilledBy,
    FilledManifest,
    Need,
    fill_manifest,
    item_names,
    manifest_of,
    reason_group,
)
from cardops.rules.chargebacks.evidence_files import (
    MAX_FILE_BYTES,
    EvidenceChange,
    EvidenceRefusedError,
    RecordedChange,
    current_files,
    judge_change,
    media_type_of,
)
from cardops.rules.data_tables import read_table

A_DAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SALE = Sale(
    "t1", date(2026, 11, 1), 2500, "USD", "completed", order_id="o1", ip_address="192.0.2.1"
)
CODES = [(row["network"], row["code"]) for row in read_table("reason_codes")]


def a_file(item: str, sha256: str = "ab" * 32) -> EvidenceFile:
    return EvidenceFile(item, sha256, "f.pdf", "application/pdf", 10, "ann", NOON)


def filled(
    *files: EvidenceFile,
    code: str = "13.1",
    stage: str = "chargeback",
    sale: Sale | None = SALE,
) -> FilledManifest:
    manifest = manifest_of("visa", code, stage, A_DAY)
    return fill_manifest(manifest, "visa", code, DisputeFacts(A_DAY, sale), files)


def test_every_reason_code_has_a_manifest_at_every_stage() -> None:
    for network, code in CODES:
        for stage in Stage:
            manifest = manifest_of(network, code, stage, A_DAY)
            needs = Counter(item.need for item in manifest.items)
            assert needs[Need.REQUIRED] >= 1, (network, code, stage)
            assert needs[Need.ONE_OF] != 1, (network, code, stage)
            assert all(item.source for item in manifest.items)
            # A code whose group has rows of its own, not only those of every dispute.
            assert len(manifest.items) > 5, (network, code, stage)


def test_data_name_what_is_there() -> None:
    groups = {row["reason_group"] for row in read_table("evidence_manifest")}
    for row in read_table("evidence_groups"):
        assert row["source"]
        assert row["reason_group"] in groups
        assert (row["network"], row["reason_code"]) in {*CODES, ("", "")}
    for row in read_table("evidence_manifest"):
        assert row["source"]
        assert row["item"] in item_names()
        assert row["stage"] in {"", *Stage}
        Need(row["need"])
    for row in item_names().values():
        FilledBy(row["filled_by"])


@pytest.mark.parametrize(
    ("network", "code", "group"),
    [
        ("visa", "10.4", "fraud_card_absent"),
        ("visa", "83", "fraud_card_absent"),
        ("mastercard", "53", "consumer_dispute"),
        ("amex", "C28", "cancelled_recurring"),
        ("discover", "U02", "fraud_card_absent"),
        ("visa", "no such code", "general"),
        ("mixed", None, "general"),
    ],
)
def test_reason_belongs_to_a_group(network: str, code: str | None, group: str) -> None:
    assert reason_group(network, code, A_DAY) == group


def test_lake_fills_what_it_knows_and_the_rest_is_missing() -> None:
    found = filled()

    values = {item.item.name: item.value for item in found.items}
    assert values["transaction_details"] == "t1: 25.00 USD on 2026-11-01, completed"
    assert values["order_reference"] == "o1"
    assert values["proof_of_delivery"] is None
    assert found.missing == ("proof_of_delivery", "access_log", "service_record", "refund_record")
    assert not found.is_complete


def test_one_of_several_suffices() -> None:
    assert filled(a_file("service_record")).is_complete
    assert not filled(a_file("terms_accepted")).is_complete


def test_unknown_transaction_leaves_its_details_missing_until_a_person_adds_them() -> None:
    proof = a_file("proof_of_delivery")

    assert filled(proof, sale=None).missing == ("transaction_details",)
    assert filled(proof, a_file("transaction_details", "cd" * 32), sale=None).is_complete


def test_later_stage_asks_for_what_is_new() -> None:
    proof = a_file("proof_of_delivery")

    assert filled(proof, stage="pre_arbitration").missing == ("new_information",)
    assert filled(proof, stage="arbitration").missing == ("rebuttal_letter", "new_information")


def test_file_of_an_item_that_is_not_asked_for_stays_in_sight() -> None:
    (last,) = filled(a_file("rental_agreement")).items[-1:]

    assert (last.item.name, last.item.need, last.is_there) == ("rental_agreement", "helpful", True)


@settings(max_examples=60)
@given(
    st.sampled_from(CODES),
    st.sampled_from(list(Stage)),
    st.lists(st.sampled_from(sorted(item_names())), max_size=6),
    st.sampled_from([None, SALE]),
)
def test_completeness_agrees_with_reading_the_table_row_by_row(
    reason: tuple[str, str], stage: Stage, added: list[str], sale: Sale | None
) -> None:
    network, code = reason
    facts = DisputeFacts(A_DAY, sale)
    files = [a_file(item, f"{place:064x}") for place, item in enumerate(added)]
    manifest = manifest_of(network, code, stage, A_DAY)
    found = fill_manifest(manifest, network, code, facts, files)

    fitting = [
        (row["reason_group"] != "", row["network"] != "", row["stage"] != "", row)
        for row in read_table("evidence_manifest")
        if row["reason_group"] in {"", manifest.reason_group}
        and row["network"] in {"", network}
        and row["stage"] in {"", stage}
    ]
    in_order = sorted(fitting, key=lambda entry: entry[:3])
    needs = {row["item"]: row["need"] for *_, row in in_order}
    known = {"transaction_details", "order_reference", "ip_address"} if sale else set()
    there = {*added, *known}
    required = {name for name, need in needs.items() if need == "required"}
    choice = {name for name, need in needs.items() if need == "one_of"}
    expected = required - there | (choice if choice and not choice & there else set())
    assert set(found.missing) == expected
    assert found.is_complete == (not expected)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"%PDF-" + b"x" * MAX_FILE_BYTES, "at most 10,485,760"),
        (b"PK\x03\x04 a workbook", "is no PDF, JPEG, PNG, TIFF or UTF-8 text"),
        (b"\xff\xfe\x00", "is no PDF"),
        (b"text with \x00", "is no PDF"),
    ],
)
def test_file_that_cannot_be_sent_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(EvidenceRefusedError, match=sentence):
        media_type_of("scan.pdf", content)


def test_kind_is_told_by_content_not_by_name() -> None:
    assert media_type_of("a.txt", b"%PDF-1.7 x") == "application/pdf"
    assert media_type_of("a.pdf", "Dear Sir,\r\n…".encode()) == "text/plain"


def recorded(number: int, item: str, sha256: str, *, removed: bool = False) -> RecordedChange:
    change = EvidenceChange(item, sha256, "f", "text/plain", 20_000_000, "ann", is_removed=removed)
    return RecordedChange(DisputeKey("p", "visa", "c"), change, number, NOON)


def test_last_change_of_a_file_counts() -> None:
    first, gone, back = (
        recorded(1, "receipt", "aa"),
        recorded(2, "receipt", "aa", removed=True),
        recorded(3, "receipt", "aa"),
    )

    assert [file.sha256 for file in current_files([first])] == ["aa"]
    assert current_files([first, gone]) == ()
    assert judge_change(first.change, [first]) == first, "the same file again"
    assert judge_change(back.change, [first, gone]) is None
    with pytest.raises(EvidenceRefusedError, match="nothing was removed"):
        judge_change(gone.change, [])


def test_package_that_would_be_too_large_is_refused() -> None:
    known = [recorded(1, "receipt", "aa"), recorded(2, "receipt", "bb")]

    with pytest.raises(EvidenceRefusedError, match="at most 52,428,800 can be sent"):
        judge_change(recorded(3, "receipt", "cc").change, known)
