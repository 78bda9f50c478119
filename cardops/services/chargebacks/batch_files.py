"""Build the chargeback files of a batch, and check that they account for every row of it."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cardops.contracts.lake.chargeback_csv import (
    WrittenBody,
    rows_of_slot,
    superseded_by_lines,
    with_evidence,
    write_body,
)
from cardops.contracts.lake.chargeback_slots import SlotLook, write_slots
from cardops.contracts.lake.supplements import TABLE as SUPPLEMENTS_TABLE
from cardops.contracts.lake.supplements import with_supplements
from cardops.ports import DeliveryLedger, Destinations, IntakeLedger, Lake, ObjectStore
from cardops.rules.chargebacks.batch_totals import BatchTotals, RowSums, add_up_batch
from cardops.rules.chargebacks.control_totals import (
    ControlTotals,
    UnreadableChargebackFileError,
    read_control_totals,
)
from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.chargebacks.files import (
    FORMAT_VERSION,
    FileIdentity,
    LineRule,
    SplitMode,
    control_json,
    slot_destination,
    slot_label,
)
from cardops.rules.chargebacks.layouts import DestinationLayout, parse_layout
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.records import (
    ChargebackFileRecord,
    FrozenFileError,
    evidence_name,
)
from cardops.rules.intake.files import ChargebackBatch
from cardops.rules.intake.objects import ObjectMissingError
from cardops.services.chargebacks.batch_filing import BatchFiling
from cardops.services.chargebacks.batch_rows import (
    batch_rows,
    carried_rows,
    own_rows,
    selected,
)
from cardops.services.chargebacks.evidence_archives import write_archive
from cardops.services.deliveries.members import processed_key


@dataclass(frozen=True, slots=True)
class MadeEvidence:
    """An archive of evidence on this machine's disk, and of how many disputes it is."""

    path: Path
    sha256: str
    size_bytes: int
    disputes: int


@dataclass(frozen=True, slots=True)
class MadeFiles:
    """What was made for a slot, still on this machine's disk."""

    body: WrittenBody
    evidence: MadeEvidence | None = None


@dataclass(frozen=True, slots=True)
class ChargebackFileBuilder:
    """Builds files and adds them up; everything it needs is a port."""

    lake: Lake
    processed_store: ObjectStore
    intake_ledger: IntakeLedger
    ledger: DeliveryLedger
    destinations: Destinations

    def build(
        self, batch_id: str, slots: Collection[str]
    ) -> dict[str, ChargebackFileRecord | None]:
        """Build these slots' files and their control files; None for a slot without rows.

        The first call decides which rows the batch's files have. Building them again gives the same
        bytes; FrozenFileError is raised where it does not, BatchUnfinishedError where a file of the
        batch is still being ingested.
        """
        batch = self.file(batch_id)
        mode = SplitMode(batch.mode)
        packages = self._packages(batch)
        looks = {
            slot: SlotLook(
                self.destinations.neutralises_formulas(destination),
                self._layout(batch, destination),
            )
            for slot in slots
            for destination in [slot_destination(slot, mode)]
        }
        with TemporaryDirectory() as folder:
            bodies = write_slots(
                self._filled(batch, packages),
                looks,
                mode,
                LineRule(batch.line_rule),
                Path(folder),
                version=batch.layout_version,
            )
            return {
                slot: self._made(batch, slot, body, packages, Path(folder)) for slot, body in bodies
            }

    def _made(
        self,
        batch: ChargebackBatch,
        slot: str,
        body: WrittenBody,
        packages: Sequence[EvidencePackage],
        folder: Path,
    ) -> ChargebackFileRecord | None:
        record = None
        if body.row_count:
            evidence = self._evidence(batch, slot, packages, folder / "evidence.zip")
            record = self._store(batch, slot, MadeFiles(body, evidence))
        else:
            self._check_never_built(batch.batch_id, slot)
        if batch.made_slots.get(slot) != body.stages.versions:
            self.intake_ledger.slot_made(batch.batch_id, slot, body.stages.versions)
        return record

    def lines(self, batch: ChargebackBatch, slot: str) -> pl.LazyFrame:
        """The rows of the lake that are lines of the slot's file of a filed batch, in their order."""
        mode, rule = SplitMode(batch.mode), LineRule(batch.line_rule)
        version = batch.layout_version
        filled = self._filled(batch, self._packages(batch))
        return rows_of_slot(filled, slot, mode, rule, version=version)

    def _packages(self, batch: ChargebackBatch) -> Sequence[EvidencePackage]:
        return self.intake_ledger.packages_of(batch.batch_id)

    def _evidence(
        self,
        batch: ChargebackBatch,
        slot: str,
        packages: Sequence[EvidencePackage],
        target: Path,
    ) -> MadeEvidence | None:
        """The archive of the evidence whose disputes are in the slot's file; None where there is none."""
        if not any(package.has_evidence for package in packages):
            return None
        keys = self.lines(batch, slot).select("network", "case_number").unique().collect()
        cases = set(keys.iter_rows())
        own = [
            package
            for package in packages
            for dispute in [package.opening.dispute]
            if package.has_evidence and (dispute.network, dispute.case_number) in cases
        ]
        if not own:
            return None
        sha256 = write_archive(own, self.processed_store, target)
        return MadeEvidence(target, sha256, target.stat().st_size, len(own))

    def file(self, batch_id: str) -> ChargebackBatch:
        """The batch, once it is decided which rows its files have. Raises BatchUnfinishedError."""
        batch = self.intake_ledger.batch(batch_id)
        if batch.filed_at is not None:
            return batch
        return BatchFiling(self.lake, self.intake_ledger).file(batch_id)

    def preview(self, batch_id: str, slot: str, layout: DestinationLayout, lines: int) -> str:
        """The first lines of a slot of a filed batch in a layout; nothing is stored."""
        batch = self.intake_ledger.batch(batch_id)
        mode = SplitMode(batch.mode)
        is_older = batch.layout_version == 1
        filled = (
            with_supplements(self._rows(batch), None)
            if is_older
            else self._filled(batch, self._packages(batch))
        )
        rule = LineRule(batch.line_rule)
        rows = rows_of_slot(filled, slot, mode, rule, version=FORMAT_VERSION)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "body.csv"
            write_body(
                rows.head(lines),
                path,
                neutralise=self.destinations.neutralises_formulas(slot_destination(slot, mode)),
                version=FORMAT_VERSION,
                layout=layout,
            )
            return path.read_text("utf-8")

    def _layout(self, batch: ChargebackBatch, destination: str) -> DestinationLayout | None:
        """The destination's own layout with which the batch was filed; None for the standard one."""
        version = batch.layouts.get(destination)
        if version is None:
            return None
        stored = self.intake_ledger.layouts(batch.program, destination)
        return parse_layout(stored[version - 1].definition)

    def add_up(self, batch_id: str, made_now: Collection[str]) -> BatchTotals:
        """The batch's totals from two sources: intake's counts, and the bytes of its files.

        `made_now` are slots that were built just now, with or without rows.
        """
        totals, damaged = list[ControlTotals](), list[str]()
        records = self.ledger.files_of(batch_id)
        batch = self.intake_ledger.batch(batch_id)
        for record in records:
            read = self._read_totals(record, self._layout(batch, record.destination))
            if read is None:
                damaged.append(record.file_name)
            else:
                totals.append(read)
        built = {record.network for record in records} | set(made_now)
        return add_up_batch(
            [file.outcome for file in batch.filed_files],
            totals,
            superseded=superseded_by_lines(self._rows(batch), LineRule(batch.line_rule)),
            waiting=self._waiting(batch),
            carried=_row_sums(carried_rows(batch_id, self.lake, self.intake_ledger)),
            is_complete=built >= set(NETWORKS),
            damaged_files=tuple(damaged),
        )

    def _rows(self, batch: ChargebackBatch) -> pl.LazyFrame:
        return batch_rows(batch, self.lake, self.intake_ledger)

    def _filled(self, batch: ChargebackBatch, packages: Sequence[EvidencePackage]) -> pl.LazyFrame:
        """The same, with what the lake knew when the batch was filed."""
        rows = self._rows(batch)
        if batch.layout_version == 1:
            return rows
        known = self.lake.scan(SUPPLEMENTS_TABLE, [batch.business_date])
        own = None if known is None else known.filter(pl.col("batch_id") == batch.batch_id)
        return with_evidence(with_supplements(rows, own), packages)

    def _waiting(self, batch: ChargebackBatch) -> RowSums:
        """The batch's own rows that its files do not have."""
        held = self.intake_ledger.waiting_rows_of(batch.batch_id)
        return _row_sums(selected(own_rows(batch, self.lake), held) if held else None)

    def _check_never_built(self, batch_id: str, slot: str) -> None:
        """A sealed batch never changes, so a slot that had rows cannot have none now."""
        record = self.ledger.find(batch_id, slot)
        if record is not None:
            raise FrozenFileError(record.file_name)

    def _store(self, batch: ChargebackBatch, slot: str, made: MadeFiles) -> ChargebackFileRecord:
        """Record the hashes first, then store: different bytes never replace the recorded ones."""
        body, evidence = made.body, made.evidence
        destination = slot_destination(slot, SplitMode(batch.mode))
        sequence, previous = self.ledger.allot(batch.batch_id, slot, destination=destination)
        identity = FileIdentity(
            batch_id=batch.batch_id,
            program=batch.program,
            business_date=batch.business_date,
            label=slot_label(slot, SplitMode(batch.mode)),
            sequence=sequence,
            previous_sequence=previous,
            version=batch.layout_version,
        )
        control = control_json(
            identity,
            row_count=body.row_count,
            totals_minor=body.totals_minor,
            sha256=body.sha256,
            neutralised_count=body.neutralised_count,
            stages=body.stages if batch.line_rule == LineRule.STAGES else None,
            counts=_counts(made, batch.layouts.get(destination), identity.name)
            if batch.layout_version > 1
            else {},
        )
        record = _record(identity, slot, destination, made, control)
        self.ledger.record_made(record)
        key = processed_key(batch.batch_id, identity.name)
        self.processed_store.replace(key, body.path)
        if evidence is not None:
            name = evidence_name(identity.name)
            self.processed_store.replace(processed_key(batch.batch_id, name), evidence.path)
        self.processed_store.replace(processed_key(batch.batch_id, identity.control_name), control)
        return self.ledger.find(batch.batch_id, slot) or record

    def _read_totals(
        self, record: ChargebackFileRecord, layout: DestinationLayout | None
    ) -> ControlTotals | None:
        """Totals from the file's bytes; None where they differ from the recorded ones."""
        key = processed_key(record.batch_id, record.file_name)
        try:
            with self.processed_store.open(key) as content:
                totals = read_control_totals(content, layout)
        except (ObjectMissingError, UnreadableChargebackFileError):
            return None
        expected = (record.row_count, dict(record.totals_minor))
        return totals if (totals.row_count, totals.totals_minor) == expected else None


def _counts(made: MadeFiles, layout: int | None, file_name: str) -> dict[str, object]:
    body, evidence = made.body, made.evidence
    counts: dict[str, object] = {"filled": body.filled_count, "flags": dict(body.flags)}
    if layout is not None:
        counts["layout"] = layout
    if evidence is not None:
        counts["evidence"] = {
            "file": evidence_name(file_name),
            "sha256": evidence.sha256,
            "size_bytes": evidence.size_bytes,
            "disputes": evidence.disputes,
        }
    return counts


def _row_sums(rows: pl.LazyFrame | None) -> RowSums:
    if rows is None:
        return RowSums()
    sums = rows.group_by("dispute_currency").agg(
        pl.len().alias("rows"), pl.col("dispute_amount_minor").cast(pl.Int128).sum().alias("minor")
    )
    found = sums.collect()
    minor = dict(found.select("dispute_currency", "minor").iter_rows())
    return RowSums(int(found["rows"].sum()), minor)


def _record(
    identity: FileIdentity, slot: str, destination: str, made: MadeFiles, control: bytes
) -> ChargebackFileRecord:
    body = made.body
    return ChargebackFileRecord(
        batch_id=identity.batch_id,
        network=slot,
        program=identity.program,
        destination=destination,
        sequence=identity.sequence,
        file_name=identity.name,
        row_count=body.row_count,
        totals_minor=body.totals_minor,
        content_sha256=body.sha256,
        control_sha256=hashlib.sha256(control).hexdigest(),
        evidence_sha256=None if made.evidence is None else made.evidence.sha256,
    )
