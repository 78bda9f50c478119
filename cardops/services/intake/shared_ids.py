"""Files that arrived before another, are not ingested yet, and speak of the same ids.

Belongs here: which ids a file has. Only these files are ingested first; a file that cannot be read has
no ids that anybody could wait for, so it holds up nobody and is judged after those that went on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from cardops.contracts.judging.files import rows_of
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import Kinds
from cardops.rules.intake.files import IntakeFile
from cardops.services.intake.circumstances import circumstances_of
from cardops.services.intake.contents import claimed_content
from cardops.services.intake.ports import IntakePorts

# Column -> hashes of its values. Within one process these hashes are stable, and 8 bytes an id.
Ids = Mapping[str, pl.Series]


@dataclass
class EarlierFiles:
    """Finds them; each file is read at most once in the life of this object."""

    ports: IntakePorts
    kinds: Kinds
    _read: dict[int, Ids] = field(default_factory=dict)

    def sharing_ids(self, intake_file: IntakeFile, workspace: Workspace) -> list[IntakeFile]:
        """In order of arrival. None where the file itself was judged: its place is fixed."""
        earlier = self._not_judged_before(intake_file)
        if not earlier:
            return []
        profile = self.kinds[intake_file.arrival.kind]
        own = _ids_of([*workspace.chunks("valid", profile.shared_ids)], profile)
        return [other for other in earlier if _overlap(self._ids(other, profile), own)]

    def shared_with_group(
        self, files: Sequence[IntakeFile], texts: Sequence[pl.DataFrame]
    ) -> set[int]:
        """Those of the files of a group that share ids with earlier ones outside it.

        `texts`: the rows of each file. Also those that share ids with one of these, since they are
        judged after it.
        """
        members = {file.intake_id for file in files}
        before = self._not_judged_before(files[-1]) if files else []
        others = [other for other in before if other.intake_id not in members]
        if not others:
            return set()
        profile = self.kinds[files[0].arrival.kind]
        own = {
            file.intake_id: _as_set(_ids_of([text.select(profile.shared_ids)], profile))
            for file, text in zip(files, texts, strict=True)
        }
        everything = set().union(*own.values())
        for other in others:
            own[other.intake_id] = _as_set(self._ids(other, profile)) & everything
        waits: set[int] = set()
        awaited: set[tuple[str, int]] = set()
        for intake_id, ids in sorted(own.items()):
            if intake_id not in members or ids & awaited:
                awaited |= ids
                waits |= {intake_id} & members
        return waits

    def _not_judged_before(self, intake_file: IntakeFile) -> list[IntakeFile]:
        own, before = intake_file.intake_id, self.ports.intake_ledger.unfinished_before(intake_file)
        if not before:
            return []
        # Rows that were recorded are found by their ids, whatever became of their file.
        judged = self.ports.known_rows.judged([own, *(other.intake_id for other in before)])
        if own in judged:
            return []
        return sorted(
            (other for other in before if other.intake_id not in judged),
            key=lambda other: other.intake_id,
        )

    def _ids(self, other: IntakeFile, profile: KindProfile) -> Ids:
        if other.intake_id not in self._read:
            self._read[other.intake_id] = self._read_ids(other, profile)
        return self._read[other.intake_id]

    def _read_ids(self, other: IntakeFile, profile: KindProfile) -> Ids:
        try:
            with claimed_content(self.ports.raw_store, other) as content:
                rows = rows_of(content, profile, circumstances_of(other, self.ports, self.kinds))
                return _ids_of(
                    [chunk.select(profile.shared_ids).unique() for chunk in rows.chunks()], profile
                )
        except Exception:  # noqa: BLE001 - its own runs report why it cannot be read
            return {}


def _ids_of(chunks: list[pl.DataFrame], profile: KindProfile) -> Ids:
    return {
        name: pl.concat(chunk[name] for chunk in chunks).drop_nulls().hash(0).unique()
        for name in profile.shared_ids
        if chunks
    }


def _as_set(ids: Ids) -> set[tuple[str, int]]:
    return {(name, number) for name, numbers in ids.items() for number in numbers}


def _overlap(one: Ids, other: Ids) -> bool:
    return any(one[name].is_in(other[name].implode()).any() for name in one.keys() & other.keys())
