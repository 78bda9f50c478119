"""The page of one dispute: everything that is known, exact, escaped, and nothing from outside."""

import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from html.parser import HTMLParser

import pytest
from typing_extensions import override

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.filing import DisputeWait
from cardops.rules.chargebacks.queue import Opening, RecordKind
from cardops.rules.deliveries.acknowledgements import LineKey, RejectedLine
from cardops.services.disputes.evidence import CaseEvidence
from cardops.services.disputes.history import DisputeHistory
from cardops.services.reports.dispute_page import WAITS, render_dispute
from tests.factories.dispute_pages import (
    AGAIN,
    NOW,
    WON,
    a_file,
    a_history,
    a_record,
    an_evidence,
)

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\"'&"


def text_of(history: DisputeHistory) -> str:
    """What a reader sees, without tags."""
    body = render_dispute(history, NOW).partition("<body>")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


class Tags(HTMLParser):
    """The tags of a page, and attributes that load or run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.active: list[str] = []
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.active += [
            name for name, _ in attrs if name in {"src", "href", "action"} or name[:2] == "on"
        ]


def test_page_has_each_part() -> None:
    text = text_of(a_history())

    for part in (
        "Dispute CB-20261101-000171 visa, program default",
        "Open at the stage pre-arbitration, 3 days left to answer Last day 2026-11-23: the feed names",
        "Its step at pre-arbitration is in no file Since 2026-11-16 12:05 UTC: held by the program's",
        "the purchase was refunded already ( refunded_already , batch default-2026-11-16-001)",
        "13.1: Goods or services not received",
        "In dispute 125.00 USD latest step",
        "Settled with the card company 138.00 EUR",
        "Fees 45.00 USD all steps",
        "Provisional credit to the user 150.00 USD posted 2026-11-12",
        "visa, sequence 41, batch default-2026-11-04-001",
        f"{'3f5c' * 16} , verified there",
        "119 accepted, 1 rejected on 2026-11-06 12:05",
        "this dispute rejected: R102 case number unknown",
        "bea Note receipt asked for",
        "Owner bea",
        "receipt.pdf (12,345 bytes, bea)",
        "198.51.100.7",
        "Missing: one of proof of delivery / access log / service record / refund record. Not sent.",
    ):
        assert part in text


def test_history_is_in_order_of_time() -> None:
    page = render_dispute(a_history(), NOW)
    times = re.findall(r"<time>([^<]*)</time>", page)

    assert times == sorted(times)
    assert len(times) == 12
    text = text_of(a_history())
    assert "chargeback, step 1: open, 15,000.00 USD settled 138.00 EUR, fee 15.00 USD" in text
    assert "Released into batch default-2026-11-05-001 by bea another purchase" in text
    assert "The user was told: credit" in text


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0, "0 days left to answer"),
        (1, "1 day left to answer"),
        (-2, "2 days overdue"),
        (None, "Nobody says by when to answer"),
    ],
)
def test_deadline_is_said_in_words(days: int | None, words: str) -> None:
    due = None if days is None else date(2026, 11, 20) + timedelta(days=days)
    step = replace(AGAIN, reply_by_on=due, clock="processor" if due else None)

    text = text_of(replace(a_history(), steps=[step]))

    assert words in text
    assert ("the processor's own clock" in text) is (due is not None)


def test_ended_or_decided_dispute_says_so_first() -> None:
    accepted = a_record(RecordKind.ACCEPT, "never sent")

    assert "Ended: won Nothing is to be answered." in text_of(replace(a_history(), steps=[WON]))
    assert "Accepted: the money stays with the cardholder By bea, 2026-11-17 12:05 UTC." in text_of(
        replace(a_history(), records=[accepted])
    )


@pytest.mark.parametrize("reason", WAITS)
def test_reason_of_each_wait_is_said_in_words(reason: str) -> None:
    wait = DisputeWait("b-1", "chargeback", reason, NOW)

    assert WAITS[reason] in text_of(replace(a_history(), waits=[wait]))  # type: ignore[index] # a StrEnum


def test_hostile_text_is_shown_and_never_runs() -> None:
    key = DisputeKey("default", "visa", HOSTILE)
    step = replace(
        AGAIN,
        opening=Opening(key, "pre_arbitration", 1),
        merchant_name=HOSTILE,
        reason_code=HOSTILE,
        transaction_id=HOSTILE,
        source_file=HOSTILE,
        status=HOSTILE,
    )
    line = RejectedLine(LineKey(HOSTILE, "chargeback", 1), HOSTILE, HOSTILE)
    file = replace(a_file(), rejected=[line])
    file = replace(file, record=replace(file.record, last_error=HOSTILE, file_name=HOSTILE))
    history = replace(
        a_history(),
        steps=[step],
        records=[
            a_record(RecordKind.NOTE, HOSTILE),
            a_record(RecordKind.ASSIGN, HOSTILE, owner=HOSTILE),
        ],
        files=[file],
        evidence=hostile_evidence(),
    )
    page = render_dispute(history, NOW)
    tags = Tags(page)

    assert "script" not in tags.found
    assert "img" not in tags.found
    assert not tags.active
    assert page.count("</style>") == page.count("</title>") == 1
    assert text_of(history).count("{{ 7 * 7 }}") == page.count("alert(1)") - 1  # the title
    assert "49" not in text_of(history).partition("History")[0]


def hostile_evidence() -> CaseEvidence:
    evidence = an_evidence()
    first, *rest = evidence.filled.items
    files = tuple(replace(file, file_name=HOSTILE) for file in first.files)
    items = (replace(first, value=HOSTILE, files=files), *rest)
    return replace(evidence, filled=replace(evidence.filled, items=items))


def test_page_asks_nothing_from_outside() -> None:
    page = render_dispute(a_history(), NOW)

    assert not Tags(page).active
    assert not re.search(r"https?://|url\(|@import|<link|<script", page)
    assert "default-src 'none'" in page
