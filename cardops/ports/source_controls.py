"""What programs demand of their deposit files, and which files are held for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cardops.rules.intake.files import FileOutcome, IntakeFile, Kind
    from cardops.rules.intake.source_controls import (
        ApprovalNeed,
        FileHold,
        FilePass,
        HoldEnding,
        SenderKey,
        SourcePolicy,
        SourceState,
    )


class SourceControls(Protocol):
    """Policies, senders' keys, and holds. Nothing here is deleted."""

    def policy(self, program: str) -> SourcePolicy:
        """What the program demands now."""

    def policy_changes(self, program: str) -> Sequence[SourcePolicy]:
        """Every policy it had, oldest first, each with who set it and when."""

    def set_policy(self, program: str, policy: SourcePolicy, changed_by: str) -> None:
        """From now on; files that passed or are held keep what was decided about them."""

    def keys(self, program: str) -> Sequence[SenderKey]:
        """The program's sender keys, revoked ones too, oldest first."""

    def add_key(self, key: SenderKey) -> bool:
        """False where the program has, or had, a key of that id."""

    def revoke_key(self, program: str, key_id: str, revoked_by: str) -> bool:
        """False where there is none; revoking again keeps the first instant."""

    def state(self, intake_file: IntakeFile) -> SourceState:
        """The policy for the file, whether it passed before, and its open hold."""

    def pass_unless_held(
        self, intake_file: IntakeFile, file_pass: FilePass, policy: SourcePolicy
    ) -> ApprovalNeed:
        """Record that its rows may be applied from now on, which ends its hold, and return no need.

        Where a cap demands an approval that it lacks, nothing is recorded, and the need is returned.
        Files of one program whose policy has a cap on a date pass one after another.
        """

    def hold(self, intake_file: IntakeFile, hold: FileHold, outcome: FileOutcome) -> None:
        """Mark `held`, with attempts counted from 1 again; an open hold is replaced."""

    def held(self, kind: Kind, program: str | None = None) -> Sequence[tuple[IntakeFile, FileHold]]:
        """Held files, oldest first, a bounded number."""

    def mark_reported(self, intake_id: int) -> None:
        """An operator was told of the open hold."""

    def end_hold(self, intake_id: int, ending: HoldEnding, *, by: str, why: str) -> bool:
        """End the open hold otherwise than by approvals; False where there is none."""

    def approve(self, intake_id: int, *, by: str, why: str) -> FileHold | None:
        """Record an approval of the open hold; the last that is needed ends it. None: no hold.

        An approved file is `claimed` in the same commit. Returns the hold as it stands then. A person approves a hold once: again changes nothing.
        """

    def approvals(self, intake_file: IntakeFile, file_pass: FilePass) -> int:
        """How many persons approved this content for the program with exactly these figures."""

    def submitted(self, bucket: str, keys: Sequence[str], submitted_by: str) -> None:
        """Record who puts the files, before they are put; the first entry of a key stays."""

    def submitters(self, intake_file: IntakeFile) -> Sequence[str]:
        """Who submitted this content in the file's program; senders are not named."""

    def release(self, bucket: str, key: str, content_sha256: str) -> None:
        """Record that Cardops itself makes this file, of rows of one that passed."""

    def is_release(self, intake_file: IntakeFile) -> bool:
        """Whether it did."""
