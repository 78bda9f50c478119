"""The at most four CSV files of a chargeback batch: columns, slots, names and control files.

A batch has four slots, one for each possible file, named after the networks' partition keys. Split by
network, a slot holds its network's rows; in a size-balanced batch, a quarter of all rows.

Belongs here: what determines a file's bytes, and no clock, so that the same rows give the same
bytes. The bytes are written by cardops.contracts.lake.chargeback_csv.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from cardops.rules.chargebacks.disputes import Stage
from cardops.rules.chargebacks.routing import MIXED, NETWORKS

MAX_CHARGEBACK_FILES: Final = 4
# Layout of new batches. Files of batches that were claimed before are made again as they were.
FORMAT_VERSION: Final = 2

COLUMNS: Final = (
    "case_number",
    "stage",
    "action_sequence",
    "network",
    "transaction_id",
    "arn",
    "merchant_id",
    "merchant_name",
    "card_bin",
    "card_last4",
    "transaction_date",
    "transaction_amount",
    "transaction_currency",
    "dispute_amount",
    "dispute_currency",
    "dispute_date",
    "reason_code",
    "reason_category",
    "reason_text",
    "status",
    "reply_by_date",
)
# What layout 2 adds at the end.
ADDED_COLUMNS: Final = (
    "action",
    "transaction_auth_code",
    "settlement_amount",
    "settlement_currency",
    "clock",
    "filled_columns",
)
# Columns that are filled from what the lake knows where the row lacks them, in this order.
FILLED_COLUMNS: Final = (
    "arn",
    "merchant_id",
    "merchant_name",
    "card_bin",
    "card_last4",
    "transaction_date",
    "transaction_amount",
    "transaction_currency",
    "transaction_auth_code",
)
# Between the names in `filled_columns`.
NAME_SEPARATOR: Final = ";"
# Free text that people typed. Ids were checked against their pattern at intake and stay as they are.
TEXT_COLUMNS: Final = ("merchant_name", "reason_code", "reason_category", "reason_text", "status")
# A spreadsheet evaluates a cell that begins with one of these.
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class SplitMode(StrEnum):
    """How a batch is split into files; fixed when the batch is sealed."""

    BY_NETWORK = "by_network"
    SIZE_BALANCED = "size_balanced"


class LineRule(StrEnum):
    """What a line of a batch's files is; fixed when the batch is sealed.

    `steps`: each accepted step. `stages`: the latest step of each dispute's stage, with its money.
    """

    STEPS = "steps"
    STAGES = "stages"


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What identifies a file. `label` is the network, or `mixed-<1..4>` of a size-balanced batch."""

    batch_id: str
    program: str
    business_date: date
    label: str
    sequence: int
    previous_sequence: int
    version: int = FORMAT_VERSION

    @property
    def name(self) -> str:
        """`CB_<network>_<program>_<business date>_<sequence>_v2.csv`; nothing from the clock."""
        return (
            f"CB_{self.label}_{self.program}_{self.business_date.isoformat()}"
            f"_{self.sequence:06d}_v{self.version}.csv"
        )

    @property
    def control_name(self) -> str:
        """The control file, delivered last."""
        return f"{self.name}.ctl"


@dataclass(frozen=True, slots=True)
class StageCounts:
    """How many disputes a file has, and how many steps its lines stand for."""

    disputes: int
    versions: int


class Action(StrEnum):
    """What a line of layout 2 asks the card company to do."""

    NOTIFY = "notify"
    REPRESENT = "represent"
    PRE_ARBITRATION = "pre_arbitration"
    ARBITRATION = "arbitration"
    ACCEPT = "accept"
    CLOSE = "close"
    # More about a dispute that is under way; a chargeback is answered by one of the others.
    EVIDENCE = "evidence"


# Stage -> action of a line whose dispute is open. Stages and statuses that end it -> accept or close.
ACTIONS: Final[Mapping[Stage, Action]] = MappingProxyType(
    {
        Stage.INQUIRY: Action.NOTIFY,
        Stage.CHARGEBACK: Action.NOTIFY,
        Stage.REPRESENTMENT: Action.REPRESENT,
        Stage.PRE_ARBITRATION: Action.PRE_ARBITRATION,
        Stage.ARBITRATION: Action.ARBITRATION,
        Stage.ACCEPTED: Action.ACCEPT,
        Stage.WON: Action.CLOSE,
        Stage.LOST: Action.CLOSE,
        Stage.EXPIRED: Action.CLOSE,
    }
)


def columns_of(version: int) -> tuple[str, ...]:
    """The columns of a layout, in their order."""
    return COLUMNS if version == 1 else (*COLUMNS, *ADDED_COLUMNS)


def slot_label(slot: str, mode: SplitMode) -> str:
    """A slot's name in file names: its network, or `mixed-<1..4>`."""
    return slot if mode is SplitMode.BY_NETWORK else f"{MIXED}-{NETWORKS.index(slot) + 1}"


def slot_destination(slot: str, mode: SplitMode) -> str:
    """The destination of a slot's file: its card company, or the one that wants equal parts."""
    return slot if mode is SplitMode.BY_NETWORK else "default"


def slot_ranges(row_count: int) -> dict[str, tuple[int, int]]:
    """Size-balanced: each slot's (offset, length) in the sorted rows; lengths differ by one at most."""
    length, longer = divmod(row_count, MAX_CHARGEBACK_FILES)
    ranges, offset = {}, 0
    for position, slot in enumerate(NETWORKS):
        size = length + (position < longer)
        ranges[slot] = (offset, size)
        offset += size
    return ranges


def control_json(  # noqa: PLR0913 - one parameter a part of the file
    identity: FileIdentity,
    *,
    row_count: int,
    totals_minor: Mapping[str, int],
    sha256: str,
    neutralised_count: int,
    stages: StageCounts | None = None,
    counts: Mapping[str, object] = _NOTHING,
) -> bytes:
    """The control file: what its CSV must contain. The same values give the same bytes.

    `stages`: counts of a batch whose lines are stages. `counts`: what else is counted, by its name.
    """
    control = {
        "version": identity.version,
        "batch": identity.batch_id,
        "program": identity.program,
        "network": identity.label.partition("-")[0],
        "sequence": identity.sequence,
        "previous_sequence": identity.previous_sequence,
        "rows": row_count,
        **(asdict(stages) if stages else {}),
        "totals": dict(sorted(totals_minor.items())),
        "sha256": sha256,
        "neutralised": neutralised_count,
        **counts,
    }
    return (json.dumps(control, indent=2) + "\n").encode()
