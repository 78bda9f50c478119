"""What the lake knows of a batch's rows beside what they say: values that they lack, and what is wrong.

Belongs here: which value fills which column, and which rows are flagged. It is looked up once, when the batch is filed, and kept in a
table of the lake, so that files that are made again have the same bytes whatever the lake learns later.
"""

from typing import Final

import polars as pl

from cardops.contracts.columns.types import DATE, INTEGER, TEXT
from cardops.rules.chargebacks.files import FILLED_COLUMNS, NAME_SEPARATOR
from cardops.rules.intake.files import RowFlag

TABLE: Final = "chargeback_supplements"
KEY: Final = ["intake_id", "row_number"]
# Lake columns that may be filled.
VALUES: Final = pl.Schema(
    {
        **dict.fromkeys(("arn", "merchant_id", "merchant_name", "card_bin", "card_last4"), TEXT),
        "transaction_date": DATE,
        "transaction_amount_minor": INTEGER,
        **dict.fromkeys(("transaction_currency", "transaction_auth_code"), TEXT),
    }
)
# Only what is filled has a value; `filled_columns` names the columns of the file.
SUPPLEMENTS: Final = pl.Schema(
    {
        "batch_id": TEXT,
        **dict.fromkeys(KEY, INTEGER),
        **VALUES,
        "filled_columns": TEXT,
        "flags": pl.List(TEXT),
    }
)
_REFUNDED: Final = str(RowFlag.REFUNDED_ALREADY)
_DUPLICATE: Final = str(RowFlag.DUPLICATE_CASE)
_FAILED: Final = str(RowFlag.FAILED_PAYMENT)
_MONEY: Final = ("dispute_amount_minor", "dispute_currency")
# What only other rows of the same dispute or transaction may know.
_OF_DISPUTES: Final = (
    *("arn", "merchant_id", "merchant_name", "card_bin", "card_last4"),
    *("transaction_date", "transaction_auth_code"),
)
_CASE: Final = ("network", "case_number")
_TRANSACTION_HASH: Final = pl.col("transaction_id").hash()
_CASE_HASH: Final = pl.col("network").hash(1) ^ pl.col("case_number").hash(2)


def supplements(
    rows: pl.LazyFrame, transactions: pl.LazyFrame | None, disputes: pl.LazyFrame | None
) -> pl.DataFrame:
    """One row for each row of the batch that something fills, or that should not be sent as it is.

    `transactions` and `disputes`: the program's rows of the lake's tables, every version. A transaction
    says most; what it does not know comes from the latest row of the same dispute, else of another
    dispute of the same transaction.
    """
    concerned = _concerned(rows, transactions, disputes)
    found = concerned.select("batch_id", *KEY, *_CASE, "transaction_id", *VALUES, *_MONEY).collect()
    if found.is_empty():
        return pl.DataFrame(schema=SUPPLEMENTS)
    disputes = None if disputes is None else _told_elsewhere(found.lazy(), disputes)
    known = _with_transactions(found.lazy(), transactions)
    for key in (_CASE, ("transaction_id",)):
        known = _with_disputes(known, disputes, key)
    flagged = _with_duplicates(known, disputes).with_columns(flags=_flags())
    filled = flagged.with_columns(_filled()).with_columns(filled_columns=_names())
    says_something = (pl.col("filled_columns") != "") | (pl.col("flags").list.len() > 0)
    return filled.filter(says_something).select(list(SUPPLEMENTS)).collect()


def with_supplements(rows: pl.LazyFrame, known: pl.LazyFrame | None) -> pl.LazyFrame:
    """The rows with what was filled, and `filled_columns`. A value of the row is never overridden."""
    if known is None or known.head(1).select("row_number").collect().is_empty():
        return rows.with_columns(filled_columns=pl.lit(""))
    joined = rows.join(
        known.select(*KEY, *VALUES, "filled_columns", "flags"), on=KEY, how="left", suffix=" known"
    )
    return joined.with_columns(
        *(pl.coalesce(name, f"{name} known").alias(name) for name in VALUES),
        pl.col("filled_columns").fill_null(""),
        flags=pl.when(pl.col("flags known").list.len() > 0)
        .then(
            pl.concat_list("flags", pl.col("flags known").fill_null([])).list.unique(
                maintain_order=True
            )
        )
        .otherwise("flags"),
    ).drop("flags known", *(f"{name} known" for name in VALUES))


def _concerned(
    rows: pl.LazyFrame, transactions: pl.LazyFrame | None, disputes: pl.LazyFrame | None
) -> pl.LazyFrame:
    """Rows whose transaction the lake has, or of whose dispute or transaction it has several rows.

    Found by hashes of their keys, which are read alone: most batches are large and most rows alone. Two keys with one
    hash make a row more, of which nothing is found.
    """
    # One key after the other: a column of a million texts takes more memory than its hashes.
    ids = _known_keys(_TRANSACTION_HASH, rows, transactions, disputes)
    cases = _known_keys(_CASE_HASH, rows, None, disputes)
    if not len(ids) and not len(cases):
        return rows.clear()
    return rows.filter(_TRANSACTION_HASH.is_in(ids.implode()) | _CASE_HASH.is_in(cases.implode()))


def _known_keys(
    key: pl.Expr,
    rows: pl.LazyFrame,
    transactions: pl.LazyFrame | None,
    disputes: pl.LazyFrame | None,
) -> pl.Series:
    """Hashes of the rows that a transaction has, or several rows of disputes."""
    known = several = pl.Series(dtype=pl.UInt64)
    if disputes is not None:
        several = _several(_hashes(key, disputes))
    if transactions is None and several.is_empty():
        return known
    own = _hashes(key, rows)
    if transactions is not None:
        of_batch = own.rename("hash").to_frame().lazy()
        paid = transactions.select(hash=key).join(of_batch, on="hash", how="semi")
        known = paid.collect(engine="streaming").to_series()
    return pl.concat([known, own.filter(own.is_in(several.implode()))]).unique()


def _hashes(key: pl.Expr, rows: pl.LazyFrame) -> pl.Series:
    return rows.select(hash=key).collect(engine="streaming").to_series()


def _several(hashes: pl.Series) -> pl.Series:
    """Each that is there more than once."""
    ordered = hashes.sort()
    return ordered.filter((ordered == ordered.shift(1)).fill_null(value=False)).unique()


def _told_elsewhere(rows: pl.LazyFrame, disputes: pl.LazyFrame) -> pl.LazyFrame | None:
    """Rows of disputes and transactions of which the lake has several; None where it has none.

    Most disputes are alone, and nothing but themselves could be found by their keys.
    """
    read = [*KEY, *_CASE, "transaction_id", "happened_at", *_OF_DISPUTES, *_MONEY]
    keys = disputes.select("transaction_id", *_CASE)
    ids = keys.join(rows.select("transaction_id").unique(), on="transaction_id", how="semi")
    cases = keys.join(rows.select(_CASE).unique(), on=list(_CASE), how="semi")
    several_ids = ids.group_by("transaction_id").len().filter(pl.col("len") > 1)
    several_cases = cases.group_by(_CASE).len().filter(pl.col("len") > 1)
    wanted = pl.concat(
        [
            disputes.select(read).join(several_ids, on="transaction_id", how="semi"),
            disputes.select(read).join(several_cases, on=list(_CASE), how="semi"),
        ]
    ).unique(KEY)
    found = wanted.collect()
    return None if found.is_empty() else found.lazy()


def _with_transactions(rows: pl.LazyFrame, transactions: pl.LazyFrame | None) -> pl.LazyFrame:
    """`paid …`: what the latest version of the row's transaction says."""
    names = ("merchant_id", "card_bin", "card_last4", "amount_minor", "currency", "status")
    if transactions is None:
        nothing = {f"paid {name}": pl.lit(None, TEXT) for name in names}
        nothing["paid amount_minor"] = pl.lit(None, INTEGER)
        return rows.with_columns(**nothing, **{"paid date": pl.lit(None, DATE)})
    ids = rows.select("transaction_id").drop_nulls().unique()
    latest = (
        transactions.join(ids, on="transaction_id", how="semi")
        .select(
            "transaction_id",
            *(pl.col(name).alias(f"paid {name}") for name in names),
            pl.col("created_at").dt.date().alias("paid date"),
            "updated_at",
            *KEY,
        )
        .sort("updated_at", *KEY, nulls_last=False)
        .unique("transaction_id", keep="last")
        .drop("updated_at", *KEY)
    )
    return rows.join(latest, on="transaction_id", how="left")


def _with_disputes(
    rows: pl.LazyFrame, disputes: pl.LazyFrame | None, key: tuple[str, ...]
) -> pl.LazyFrame:
    """`<key> …`: the latest value that rows with the same key have."""
    prefix = key[0]
    if disputes is None:
        return rows.with_columns(
            pl.lit(None, VALUES[name]).alias(f"{prefix} {name}") for name in _OF_DISPUTES
        )
    ids = rows.select(key).drop_nulls().unique()
    latest = (
        disputes.join(ids, on=key, how="semi")
        .select(*key, *KEY, "happened_at", *_OF_DISPUTES)
        .sort("happened_at", *KEY, nulls_last=False)
        .group_by(key)
        .agg(pl.col(name).drop_nulls().last().alias(f"{prefix} {name}") for name in _OF_DISPUTES)
    )
    return rows.join(latest, on=list(key), how="left")


def _with_duplicates(rows: pl.LazyFrame, disputes: pl.LazyFrame | None) -> pl.LazyFrame:
    """`is_duplicate`: another case disputed the same money of the transaction before this one did.

    Equal parts that the payment has room for are disputes of their own.
    """
    if disputes is None:
        return rows.with_columns(is_duplicate=pl.lit(value=False))
    same = ["transaction_id", *_MONEY]
    wanted = rows.select(same).drop_nulls().unique()
    firsts = (
        disputes.join(wanted, on=same, how="semi")
        .group_by(same)
        .agg(
            *(pl.col(name).sort_by(*KEY).first().alias(f"first {name}") for name in _CASE),
            cases=pl.struct(_CASE).n_unique(),
        )
    )
    is_other = pl.any_horizontal(pl.col(name) != pl.col(f"first {name}") for name in _CASE)
    together = pl.col("cases") * pl.col("dispute_amount_minor").abs()
    has_room = (pl.col("dispute_currency") == pl.col("paid currency")) & (
        together <= pl.col("paid amount_minor")
    )
    is_duplicate = is_other.fill_null(value=False) & ~has_room.fill_null(value=False)
    return rows.join(firsts, on=same, how="left").with_columns(is_duplicate=is_duplicate)


def _flags() -> pl.Expr:
    """What should be looked at before the row is sent, by what the lake knows now."""
    status = pl.col("paid status").str.to_lowercase()
    marks = [
        pl.when(status == "refunded").then(pl.lit(_REFUNDED)),
        pl.when("is_duplicate").then(pl.lit(_DUPLICATE)),
        pl.when(status == "failed").then(pl.lit(_FAILED)),
    ]
    return pl.concat_list(marks).list.drop_nulls()


def _filled() -> list[pl.Expr]:
    """Each column's value where the row has none, and nothing elsewhere."""
    # Another number, as of a card that was replaced since, says nothing about this one.
    other_card = pl.any_horizontal(
        (pl.col(name) != pl.col(f"paid {name}")).fill_null(value=False)
        for name in ("card_bin", "card_last4")
    )
    same_currency = (pl.col("transaction_currency") == pl.col("paid currency")).fill_null(
        value=True
    )
    has_no_amount = pl.col("transaction_amount_minor").is_null() & same_currency
    sources = {
        name: [f"{prefix} {name}" for prefix in (_CASE[0], "transaction_id")]
        for name in _OF_DISPUTES
    }
    paid = {
        "merchant_id": pl.col("paid merchant_id"),
        "card_bin": pl.when(~other_card).then("paid card_bin"),
        "card_last4": pl.when(~other_card).then("paid card_last4"),
        "transaction_date": pl.col("paid date"),
    }
    filled = [
        pl.when(pl.col(name).is_null())
        .then(pl.coalesce(*([paid[name]] if name in paid else []), *names))
        .alias(name)
        for name, names in sources.items()
    ]
    return [
        *filled,
        pl.when(has_no_amount).then("paid amount_minor").alias("transaction_amount_minor"),
        # The currency of an amount that is absent was taken from the transaction before.
        pl.when(has_no_amount & pl.col("paid amount_minor").is_not_null())
        .then("paid currency")
        .alias("transaction_currency"),
    ]


def _names() -> pl.Expr:
    marks = [
        pl.when(pl.col(name if name in VALUES else f"{name}_minor").is_not_null()).then(
            pl.lit(name)
        )
        for name in FILLED_COLUMNS
    ]
    return pl.concat_str(marks, separator=NAME_SEPARATOR, ignore_nulls=True)
