"""Chargeback files: rich CSV, the POC's JSON, the e-commerce CSV, and NDJSON of later steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Final

from cardops.rules.intake.files import Kind, RowFlag, RowReason
from simulation.bad_rows import VALUE_REASONS, Roles
from simulation.calendar_days import instant_text
from simulation.cards import last_four, masked
from simulation.chance import happens
from simulation.dispute_clocks import due, feed_date
from simulation.disputes import Dispute, Step
from simulation.money_text import amount_text
from simulation.population import World
from simulation.purchases import Placement, Purchase
from simulation.repeats import Spoiler, repeat_rows
from simulation.rows import Cell, InputFile, Row, count_of
from simulation.spellings import UNKNOWN

_ROLES: Final = Roles(
    key="case_number",
    id="transaction_id",
    amount="chargeback_amount",
    at="dispute_date",
    text="merchant_name",
)
# As feeds spell them.
_SPELLINGS: Final = {
    "visa": ("Visa", "VISA", "VI"),
    "mastercard": ("Mastercard", "MC", "MasterCard"),
    "amex": ("American Express", "AMEX", "AX"),
    "discover": ("Discover", "DISCOVER CARD", "DI"),
}
_BAD_PER_MILLE: Final = 0.2
_REPEATS_PER_MILLE: Final = 0.4
_ODD_PER_MILLE: Final = 0.4
# Every fourth dispute is written in the e-commerce shape, every fourth in the POC's.
_SHAPES: Final = 4
_POC: Final = 2
_SHOP: Final = 3
_PARTED: Final = 5
_DATED_LATER: Final = 3
_ENDED: Final = frozenset({"won", "lost"})


@dataclass(frozen=True, slots=True)
class ChargebackFiles:
    """The four files in submission order."""

    rich: InputFile
    poc: InputFile
    shop: InputFile
    follow_up: InputFile

    def all(self) -> list[InputFile]:
        """All four."""
        return [self.rich, self.poc, self.shop, self.follow_up]


@dataclass(frozen=True, slots=True)
class _RowWriter:
    """Writes disputes as rows."""

    rng: Random
    world: World
    late_transactions: str

    def step_row(
        self, dispute: Dispute, step: Step, named: date | None = None, *, has_reply_by: bool = True
    ) -> Row:
        """`named`: the day by which to answer that the rows before it named; `has_reply_by`: its file can."""
        purchase, rng = dispute.purchase, self.rng
        currency, network = purchase.currency, dispute.network
        # Without a network column, the card's leading digits give the network.
        names_network = happens(rng, 80)
        cells: dict[str, Cell] = {
            "case_number": f"case-{self.world.tag}-{dispute.number:06d}",
            "transaction_id": purchase.paid_by.transaction_id,
            "card_network": rng.choice(_SPELLINGS[network]) if names_network else "",
            "card_number": masked(purchase.user.card_number),
            "merchant_id": purchase.merchant.merchant_id,
            "merchant_name": purchase.merchant.name,
            "transaction_date": instant_text(purchase.paid_by.created_at),
            "transaction_amount": amount_text(purchase.amount_minor, currency),
            "chargeback_amount": amount_text(dispute.amount_minor, currency),
            "currency": currency,
            "dispute_date": dispute.opened_on.isoformat(),
            "reason_code": dispute.reason["code"],
            "chargeback_reason": dispute.reason["description"],
            "stage": step.stage,
            "status": step.status,
            "activity_date": step.on.isoformat() if step.is_dated else "",
            "resolution_date": step.on.isoformat() if step.status in _ENDED else "",
            "arn": f"7{dispute.number:022d}",
        }
        names_day = not happens(rng, 30)
        if step.on > dispute.opened_on:
            # Later steps have all clocks: also one that counts from the row's arrival.
            names_day = dispute.number % _DATED_LATER == 0
        begun_on = dispute.opened_on if step.is_update else step.on
        reply_by = (
            feed_date(network, begun_on, is_put_off=step.is_update)
            if has_reply_by and names_day
            else None
        )
        cells["reply_by_date"] = reply_by.isoformat() if reply_by else ""
        # A first step begins on the day of the dispute; later ones where they say so.
        is_known = step.is_dated or begun_on == dispute.opened_on
        row = Row(cells, dispute.amount_minor, currency, float(dispute.number), network)
        row.due = due(network, step.stage, begun_on if is_known else None, reply_by or named)
        row.category = dispute.reason["category"]
        return row

    def poc_row(self, dispute: Dispute, step: Step) -> Row:
        row = self.step_row(dispute, step, has_reply_by=False)
        row.cells["card_number"] = last_four(dispute.purchase.user.card_number)
        # Words, which are no code of the network's.
        row.category = UNKNOWN
        return row

    def shop_row(self, dispute: Dispute, step: Step) -> Row:
        row = self.step_row(dispute, step, has_reply_by=False)
        if dispute.purchase.placement is Placement.LATE_TRANSACTION:
            row.quarantined(RowReason.ORPHANED_REFERENCE).released_by = self.late_transactions
        return row


def make_chargeback_files(
    rng: Random,
    world: World,
    purchases: Sequence[Purchase],
    disputes: Sequence[Dispute],
    *,
    rows: int,
    late_transactions: str,
) -> ChargebackFiles:
    """One row for each step of each dispute; `late_transactions` is the file that releases some."""
    files = _empty_files()
    writer = _RowWriter(rng, world, late_transactions)
    for dispute in disputes:
        _write_dispute(writer, files, dispute)
    odd = count_of(rows, _ODD_PER_MILLE)
    _add_odd(rng, files, _odd_rows(world.tag, files, purchases, odd))
    repeats = count_of(rows, _REPEATS_PER_MILLE)
    repeat_rows(rng, [(file, file) for file in files.all()], repeats, _same_chargeback)
    repeat_rows(rng, [(files.rich, files.follow_up)], repeats, _same_chargeback)
    for name, file in (("a", files.rich), ("b", files.follow_up)):
        spoiler = Spoiler(rng, _ROLES, f"case-{world.tag}-bad-{name}")
        spoiler.spoil(file, VALUE_REASONS, count_of(rows, _BAD_PER_MILLE))
    _flag_refunded(files, purchases)
    return files


def _flag_refunded(files: ChargebackFiles, purchases: Sequence[Purchase]) -> None:
    """Disputes of payments that were refunded are flagged; what is known of late ones comes later."""
    refunded = {
        purchase.paid_by.transaction_id
        for purchase in purchases
        if purchase.paid_by.status == "refunded"
    }
    for file in files.all():
        for row in file.rows:
            if row.cells.get("transaction_id") in refunded:
                row.flags = (*row.flags, RowFlag.REFUNDED_ALREADY)


def _empty_files() -> ChargebackFiles:
    first = ("transaction_id", "chargeback_amount", "dispute_date")
    rich = (
        *("case_number", *first, "currency", "card_network", "card_number", "merchant_id"),
        *("merchant_name", "transaction_date", "transaction_amount", "chargeback_reason"),
        *("reason_code", "stage", "status", "reply_by_date", "resolution_date", "arn"),
        "activity_date",
    )
    poc = (
        *("transaction_id", "card_number", "transaction_amount", "currency", "merchant_id"),
        *("merchant_name", "transaction_date", "chargeback_reason", "chargeback_amount"),
        *("dispute_date", "case_number", "status"),
    )
    shop = (*first, "reason_code", "status", "resolution_date")
    kind = Kind("chargebacks")
    return ChargebackFiles(
        rich=InputFile(kind, "chargebacks-1.csv", rich),
        poc=InputFile(
            kind,
            "chargebacks-2.json",
            poc,
            names={"transaction_amount": "amount"},
            has_number_amounts=True,
        ),
        shop=InputFile(kind, "chargebacks-3.csv.gz", shop, names={"chargeback_amount": "amount"}),
        follow_up=InputFile(kind, "chargebacks-4.ndjson", rich, is_camel=True),
    )


def _write_dispute(writer: _RowWriter, files: ChargebackFiles, dispute: Dispute) -> None:
    """Append its first step to the file for its shape, and later steps to the last file."""
    purchase, (first, *rest) = dispute.purchase, dispute.steps
    shape = dispute.number % _SHAPES
    if purchase.placement is Placement.LATE_TRANSACTION or shape == _SHOP:
        _write_shop(writer, files.shop, dispute)
        return
    if shape == _POC and first.stage == "chargeback":
        written = writer.poc_row(dispute, first)
        files.poc.rows.append(written)
    else:
        written = writer.step_row(dispute, first)
        files.rich.rows.append(written)
    for step in rest:
        written.is_plain = False
        named = written.due.reply_by if step.is_update and written.due.clock == "feed" else None
        row = writer.step_row(dispute, step, named)
        row.is_plain = False
        files.follow_up.rows.append(row)


def _write_shop(writer: _RowWriter, file: InputFile, dispute: Dispute) -> None:
    """Without a case number: every fifth is two partial disputes of one day and reason."""
    amount = dispute.amount_minor
    part = amount * 2 // 5
    is_parted = dispute.number // _SHAPES % _PARTED == 0 and part > 0
    for minor in (part, amount - part) if is_parted else (amount,):
        _write_shop_rows(writer, file, replace(dispute, amount_minor=minor))


def _write_shop_rows(writer: _RowWriter, file: InputFile, dispute: Dispute) -> None:
    """Where the dispute has ended, its end is a second row."""
    opened, ended = Step("chargeback", "open", dispute.opened_on), dispute.steps[-1]
    row = writer.shop_row(dispute, opened)
    file.rows.append(row)
    if ended.status in _ENDED:
        row.is_plain = False
        after = writer.shop_row(dispute, ended)
        after.is_plain = False
        after.position += writer.rng.uniform(0.5, 20)
        file.rows.append(after)


@dataclass(frozen=True, slots=True)
class _Odd:
    """What odd rows are made from: good rows and failed payments in dollars, transfers, amounts."""

    tag: str
    count: int
    templates: Sequence[Row]
    transfers: Sequence[Purchase]
    failed: Sequence[Purchase]
    sold_minor: Mapping[str, int]

    def new_row(self, rng: Random, file: InputFile, name: str, *, currency: str) -> Row:
        """A copy of a good row under a case of its own."""
        row = rng.choice(self.templates).copy(rng.uniform(0, file.end))
        row.currency = currency
        row.cells |= {"case_number": f"case-{self.tag}-{name}", "currency": currency}
        row.is_plain = False
        return row


def _odd_rows(tag: str, files: ChargebackFiles, purchases: Sequence[Purchase], count: int) -> _Odd:
    plain = [row for row in files.rich.plain_rows() if row.currency == "USD"]
    # An inquiry counts in no rate, whatever is odd about it.
    templates = [row for row in plain if row.cells["stage"] == "chargeback"] or plain
    return _Odd(
        tag=tag,
        count=count if templates else 0,
        templates=templates,
        transfers=[
            purchase
            for purchase in purchases
            if purchase.method == "bank_transfer"
            and purchase.is_settled
            and purchase.placement is Placement.FIRST
        ],
        failed=[
            purchase
            for purchase in purchases
            if purchase.attempts[0].status == "failed"
            and purchase.currency == "USD"
            and purchase.placement is Placement.FIRST
        ],
        sold_minor={
            purchase.paid_by.transaction_id: purchase.amount_minor for purchase in purchases
        },
    )


def _add_odd(rng: Random, files: ChargebackFiles, odd: _Odd) -> None:
    """Rows whose transaction is missing, that name no card company, or that earn a flag."""
    for number in range(odd.count):
        _add_unroutable(rng, files.rich, odd, number)
        _add_orphan(rng, files.shop, odd, number)
        _add_flagged(rng, files.follow_up, odd, number)
        _add_conflict(rng, files, number)
        _add_unexpected_step(rng, files)


def _add_unroutable(rng: Random, file: InputFile, odd: _Odd, number: int) -> None:
    """A network without a contract, and a bank transfer, which has no card network."""
    row = odd.new_row(rng, file, f"jcb{number}", currency="USD")
    row.cells |= {"card_network": "JCB", "card_number": ""}
    file.rows.append(row.quarantined(RowReason.UNROUTABLE_NETWORK))
    if odd.transfers:
        purchase = rng.choice(odd.transfers)
        amount = amount_text(purchase.amount_minor, purchase.currency)
        row = odd.new_row(rng, file, f"ach{number}", currency=purchase.currency)
        row.cells |= {"card_network": "", "card_number": "", "reason_code": "", "status": "open"}
        row.cells |= {"transaction_id": purchase.paid_by.transaction_id}
        row.cells |= {"chargeback_amount": amount, "transaction_amount": amount}
        file.rows.append(row.quarantined(RowReason.UNROUTABLE_NETWORK))


def _add_orphan(rng: Random, file: InputFile, odd: _Odd, number: int) -> None:
    """A row whose currency only its transaction could give, and that never arrives."""
    row = odd.new_row(rng, file, f"orphan{number}", currency="USD")
    row.cells["transaction_id"] = f"txn-{odd.tag}-gone-{number:05d}"
    file.rows.append(row.quarantined(RowReason.ORPHANED_REFERENCE))


def _add_flagged(rng: Random, file: InputFile, odd: _Odd, number: int) -> None:
    """One row for each flag; all of them are accepted."""
    unknown = odd.new_row(rng, file, f"unknown{number}", currency="USD")
    unknown.cells["transaction_id"] = f"txn-{odd.tag}-unknown-{number:05d}"
    unknown.flagged(RowFlag.TRANSACTION_UNKNOWN)
    differs = odd.new_row(rng, file, f"differs{number}", currency="USD")
    differs.currency = "EUR"
    differs.cells |= {"currency": "EUR", "transaction_amount": ""}
    differs.flagged(RowFlag.CURRENCY_DIFFERS)
    exceeds = odd.new_row(rng, file, f"exceeds{number}", currency="USD")
    exceeds.amount_minor = odd.sold_minor[str(exceeds.cells["transaction_id"])] + 1500
    exceeds.cells["chargeback_amount"] = amount_text(exceeds.amount_minor, "USD")
    exceeds.flagged(RowFlag.AMOUNT_EXCEEDS_TRANSACTION)
    naive = odd.new_row(rng, file, f"naive{number}", currency="USD")
    naive.cells["dispute_date"] = f"{naive.cells['dispute_date']}T09:30:00"
    naive.flagged(RowFlag.NAIVE_TIMESTAMP)
    damaged = odd.new_row(rng, file, f"damaged{number}", currency="USD")
    # What a spreadsheet leaves of 23 digits.
    damaged.cells["arn"] = "2.47E+22"
    damaged.flagged(RowFlag.DAMAGED_VALUE)
    file.rows += [unknown, differs, exceeds, naive, damaged]
    if odd.failed:
        file.rows.append(_dispute_of_failed_payment(rng, file, odd, number))


def _dispute_of_failed_payment(rng: Random, file: InputFile, odd: _Odd, number: int) -> Row:
    """The first attempt to pay failed, and no money was taken by it."""
    purchase = rng.choice(odd.failed)
    amount = amount_text(purchase.amount_minor, "USD")
    row = odd.new_row(rng, file, f"failed{number}", currency="USD")
    row.amount_minor = purchase.amount_minor
    row.cells |= {"transaction_id": purchase.attempts[0].transaction_id}
    row.cells |= {"chargeback_amount": amount, "transaction_amount": amount}
    return row.flagged(RowFlag.FAILED_PAYMENT)


def _add_conflict(rng: Random, files: ChargebackFiles, number: int) -> None:
    """A known case that now names another transaction."""
    plain = [row for row in files.rich.plain_rows() if row.currency == "USD"]
    if len(plain) < 8:  # noqa: PLR2004 - too few to use two
        return
    known, other = rng.sample(plain, k=2)
    known.is_plain = False
    changes = {"transaction_id": other.cells["transaction_id"], "chargeback_amount": "0.01"}
    row = known.copy(rng.uniform(0, files.follow_up.end), **changes, transaction_amount="")
    files.follow_up.rows.append(row.quarantined(RowReason.CONFLICTING_DUPLICATE))


def _add_unexpected_step(rng: Random, files: ChargebackFiles) -> None:
    """A dispute that is in arbitration after a chargeback that nobody answered."""
    plain = [
        row
        for row in files.rich.plain_rows()
        if row.cells["stage"] == "chargeback" and row.cells["status"] == "open"
    ]
    if not plain:
        return
    known = rng.choice(plain)
    known.is_plain = False
    row = known.copy(rng.uniform(0, files.follow_up.end), stage="arbitration")
    row.is_plain = False
    named = known.due.reply_by if known.due.clock == "feed" else None
    row.due = due(known.network, "arbitration", None, named)
    files.follow_up.rows.append(row.flagged(RowFlag.UNEXPECTED_STAGE))


def _same_chargeback(original: Row) -> Row:
    return original.copy(0.0).duplicate()
