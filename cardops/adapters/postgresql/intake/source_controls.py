"""SourceControls on PostgreSQL: policies, senders' keys, and who submitted or released a file.

Belongs here: what is recorded about programs and files. Held files are in `holds`.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.intake.holds import FileHolds, end_hold, open_hold
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.control_files import ControlPolicy
from cardops.rules.intake.files import IntakeFile
from cardops.rules.intake.source_controls import (
    HoldEnding,
    SenderKey,
    SourcePolicy,
    SourceState,
)

_POLICY: Final = (
    "select control_policy, wait_minutes, caps, changed_by, changed_at from source_policies"
    " where program = %s "
)
_BEFORE_CLAIM: Final = (
    "and changed_at <= (select claimed_at from intake_files where intake_id = %s)"
    " order by change_id desc limit 1"
)
# A file of a program that demanded nothing has no check, but was begun if some of it is credited.
_MARKS: Final = (
    "select exists (select from source_checks where intake_id = %(id)s)"
    " or exists (select from deposit_events as e where e.intake_id = %(id)s"
    " and not exists (select from deposit_recalls as r"
    " where r.program = e.program and r.deposit_id = e.deposit_id)),"
    " (select ending from file_holds where intake_id = %(id)s order by hold_number desc limit 1)"
)
_KEY: Final = "insert into sender_keys (program, key_id, public_key, added_by)"
_CHECK: Final = "insert into source_checks (intake_id, control_sha256, key_id)"


class PostgresSourceControls(FileHolds):
    """Implements cardops.ports.SourceControls. Holds no session between calls."""

    def policy(self, program: str) -> SourcePolicy:
        """What the program demands now."""
        return run_in_transaction(self.url, partial(_policy, program=program))

    def policy_changes(self, program: str) -> Sequence[SourcePolicy]:
        """Every policy it had, oldest first, each with who set it and when."""
        rows = self._rows(_POLICY + "order by change_id", program)
        return [_policy_of(row) for row in rows]

    def set_policy(self, program: str, policy: SourcePolicy, changed_by: str) -> None:
        """From now on; files that passed or are held keep what was decided about them."""
        self._rows(
            "insert into source_policies (program, control_policy, wait_minutes, caps, changed_by)"
            " values (%s, %s, %s, %s, %s) returning change_id",
            program,
            policy.control.value,
            policy.wait_minutes,
            json.dumps(dict(policy.caps_minor)),
            changed_by,
        )

    def keys(self, program: str) -> Sequence[SenderKey]:
        """The program's sender keys, revoked ones too, oldest first."""
        rows = self._rows(
            "select program, key_id, public_key, added_by, added_at, revoked_at from sender_keys"
            " where program = %s order by added_at, key_id",
            program,
        )
        return [SenderKey(*row) for row in rows]

    def add_key(self, key: SenderKey) -> bool:
        """False where the program has, or had, a key of that id."""
        added = self._rows(
            _KEY + " values (%s, %s, %s, %s) on conflict (program, key_id) do nothing"
            " returning key_id",
            key.program,
            key.key_id,
            key.public_key,
            key.added_by,
        )
        return bool(added)

    def revoke_key(self, program: str, key_id: str, revoked_by: str) -> bool:
        """False where there is none; revoking again keeps the first instant."""
        revoked = self._rows(
            "update sender_keys set revoked_by = coalesce(revoked_by, %s),"
            " revoked_at = coalesce(revoked_at, clock_timestamp())"
            " where program = %s and key_id = %s returning key_id",
            revoked_by,
            program,
            key_id,
        )
        return bool(revoked)

    def state(self, intake_file: IntakeFile) -> SourceState:
        """The policy for the file, whether it passed before, and its open hold."""
        return run_in_transaction(self.url, partial(_state, intake_file=intake_file))

    def record_passed(
        self, intake_file: IntakeFile, control_sha256: str | None, key_id: str | None
    ) -> None:
        """Its rows may be applied from now on, and the control is not repeated; ends its hold."""

        def record(session: psycopg.Connection) -> None:
            session.execute(
                _CHECK + " values (%s, %s, %s) on conflict (intake_id) do nothing",
                [intake_file.intake_id, control_sha256, key_id],
            )
            end_hold(session, intake_file.intake_id, HoldEnding.RESUMED, "cardops", "")

        run_in_transaction(self.url, record)

    def submitted(self, bucket: str, keys: Sequence[str], submitted_by: str) -> None:
        """Record who puts the files, before they are put; the first entry of a key stays."""
        self._rows(
            "insert into file_submitters (bucket, key, submitted_by)"
            " select %s, key, %s from unnest(%s::text[]) as key"
            " on conflict (bucket, key) do nothing returning key",
            bucket,
            submitted_by,
            list(keys),
        )

    def submitters(self, intake_file: IntakeFile) -> Sequence[str]:
        """Who submitted this content in the file's program; senders are not named."""
        arrival = intake_file.arrival
        rows = self._rows(
            "select distinct s.submitted_by from intake_files as f"
            " inner join file_submitters as s on s.bucket = f.bucket and s.key = f.key"
            " where f.content_sha256 = %s and f.program = %s and f.kind = %s order by 1",
            arrival.content_sha256,
            arrival.program,
            arrival.kind,
        )
        return [submitted_by for (submitted_by,) in rows]

    def release(self, bucket: str, key: str, content_sha256: str) -> None:
        """Record that Cardops itself makes this file, of rows of one that passed."""
        self._rows(
            "insert into released_keys (bucket, key, content_sha256) values (%s, %s, %s)"
            " on conflict (bucket, key, content_sha256) do nothing returning key",
            bucket,
            key,
            content_sha256,
        )

    def is_release(self, intake_file: IntakeFile) -> bool:
        """Whether it did."""
        arrival = intake_file.arrival
        return bool(
            self._rows(
                "select key from released_keys"
                " where bucket = %s and key = %s and content_sha256 = %s",
                arrival.bucket,
                arrival.key,
                arrival.content_sha256,
            )
        )


def _policy(session: psycopg.Connection, program: str) -> SourcePolicy:
    query = _POLICY + "order by change_id desc limit 1"
    row = session.execute(query, [program]).fetchone()
    return SourcePolicy() if row is None else _policy_of(row)


def _state(session: psycopg.Connection, intake_file: IntakeFile) -> SourceState:
    program, intake_id = intake_file.arrival.program, intake_file.intake_id
    then = session.execute(
        _POLICY + _BEFORE_CLAIM,
        [program, intake_id],
    ).fetchone()
    marks = session.execute(_MARKS, {"id": intake_id}).fetchone()
    is_passed, last_ending = marks or (False, None)
    return SourceState(
        policy=_policy(session, program),
        claimed_under=SourcePolicy() if then is None else _policy_of(then),
        is_passed=is_passed,
        last_ending=None if last_ending is None else HoldEnding(last_ending),
        hold=open_hold(session, intake_id),
    )


def _policy_of(row: tuple[Any, ...]) -> SourcePolicy:
    control_policy, *rest = row
    return SourcePolicy(ControlPolicy(control_policy), *rest)
