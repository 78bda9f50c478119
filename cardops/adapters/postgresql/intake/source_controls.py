"""SourceControls on PostgreSQL: policies, senders' keys, and who submitted or released a file.

Belongs here: what is recorded about programs and files. Held files are in `holds`.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import psycopg

from cardops.adapters.postgresql.intake.holds import (
    FileHolds,
    approvals,
    end_hold,
    open_hold,
)
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.control_files import ControlPolicy, SignatureAlgorithm
from cardops.rules.intake.files import IntakeFile, IntakeFileMissingError
from cardops.rules.intake.source_controls import (
    ApprovalNeed,
    DateSums,
    FilePass,
    HoldEnding,
    SenderKey,
    SourcePolicy,
    SourceState,
    approval_need,
)

_POLICY: Final = (
    "select control_policy, wait_minutes, caps, changed_by, changed_at, signatures, daily_caps,"
    " two_approvers_above from source_policies where program = %s "
)
# A file of a program that demanded nothing has no check, but was begun if some of it is credited.
_MARKS: Final = (
    "select exists (select from source_checks where intake_id = %(id)s)"
    " or exists (select from deposit_events as e where e.intake_id = %(id)s"
    " and not exists (select from deposit_recalls as r"
    " where r.program = e.program and r.deposit_id = e.deposit_id)),"
    " (select ending from file_holds where intake_id = %(id)s order by hold_number desc limit 1),"
    " (select claimed_at from intake_files where intake_id = %(id)s)"
)
_KEY: Final = (
    "insert into sender_keys"
    " (program, key_id, public_key, added_by, algorithm, valid_from, valid_until)"
)
_CHECK: Final = (
    "insert into source_checks (intake_id, control_sha256, key_id, totals, approval_count)"
)
_TURN: Final = "select pg_advisory_xact_lock(hashtextextended(%s, 0))"
# Content that passed twice credits once; a recalled file credits nothing. `limit 1` of a key leaves the
# planner no other way than a look-up for each file of the date, however few files there are.
_DATE_SUMS: Final = (
    "select sums.key, coalesce(sum(sums.value::numeric) filter (where c.approval_count = 0), 0),"
    " coalesce(sum(sums.value::numeric) filter (where c.approval_count <= 1), 0)"
    " from (select distinct on (f.content_sha256) checked.totals, checked.approval_count"
    " from intake_files as f cross join lateral (select s.totals, s.approval_count"
    " from source_checks as s where s.intake_id = f.intake_id limit 1) as checked"
    " where f.kind = %s and f.business_date = %s and f.program = %s and f.content_sha256 <> %s"
    " and f.status <> 'recalled' order by f.content_sha256, f.intake_id) as c"
    " cross join lateral jsonb_each_text(c.totals) as sums group by sums.key"
)


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
            "insert into source_policies (program, control_policy, wait_minutes, caps, changed_by,"
            " signatures, daily_caps, two_approvers_above)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s) returning change_id",
            program,
            policy.control.value,
            policy.wait_minutes,
            json.dumps(dict(policy.caps_minor)),
            changed_by,
            sorted(policy.signatures),
            json.dumps(dict(policy.daily_caps_minor)),
            json.dumps(dict(policy.two_approvers_minor)),
        )

    def keys(self, program: str) -> Sequence[SenderKey]:
        """The program's sender keys, revoked ones too, oldest first."""
        rows = self._rows(
            "select program, key_id, public_key, added_by, added_at, revoked_at, algorithm,"
            " valid_from, valid_until from sender_keys where program = %s order by added_at, key_id",
            program,
        )
        return [_key_of(row) for row in rows]

    def add_key(self, key: SenderKey) -> bool:
        """False where the program has, or had, a key of that id."""
        added = self._rows(
            _KEY + " values (%s, %s, %s, %s, %s, %s, %s) on conflict (program, key_id) do nothing"
            " returning key_id",
            key.program,
            key.key_id,
            key.public_key,
            key.added_by,
            key.algorithm.value,
            key.valid_from,
            key.valid_until,
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

    def pass_unless_held(
        self, intake_file: IntakeFile, file_pass: FilePass, policy: SourcePolicy
    ) -> ApprovalNeed:
        """Record that its rows may be applied, and return no need; or the approval that it lacks."""
        operation = partial(_pass, intake_file=intake_file, file_pass=file_pass, policy=policy)
        return run_in_transaction(self.url, operation)

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


def _pass(
    session: psycopg.Connection,
    intake_file: IntakeFile,
    file_pass: FilePass,
    policy: SourcePolicy,
) -> ApprovalNeed:
    approved = 0
    if policy.has_caps:
        need = approval_need(
            policy, file_pass.totals_minor, _date_sums(session, intake_file, policy)
        )
        approved = approvals(session, intake_file, file_pass) if need.persons else 0
        if approved < need.persons:  # guard: approval
            return need
    session.execute(
        _CHECK + " values (%s, %s, %s, %s, %s) on conflict (intake_id) do nothing",
        [
            intake_file.intake_id,
            file_pass.control_sha256,
            file_pass.key_id,
            json.dumps(dict(file_pass.totals_minor)),
            approved,
        ],
    )
    end_hold(session, intake_file.intake_id, HoldEnding.RESUMED, "cardops", "")
    return ApprovalNeed()


def _date_sums(
    session: psycopg.Connection, intake_file: IntakeFile, policy: SourcePolicy
) -> DateSums:
    if not policy.daily_caps_minor:
        return DateSums()
    arrival = intake_file.arrival
    # Of two files at once, each would be below the cap without the other's sum.
    session.execute(_TURN, [f"date-sums/{arrival.program}"])  # guard: date-sums-turn
    rows = session.execute(
        _DATE_SUMS,
        [arrival.kind, intake_file.business_date, arrival.program, arrival.content_sha256],
    ).fetchall()
    return DateSums(
        {currency: int(unapproved) for currency, unapproved, _ in rows},
        {currency: int(by_one) for currency, _, by_one in rows},
    )


def _state(session: psycopg.Connection, intake_file: IntakeFile) -> SourceState:
    intake_id = intake_file.intake_id
    marks = session.execute(_MARKS, {"id": intake_id}).fetchone()
    if marks is None or marks[2] is None:
        raise IntakeFileMissingError(intake_id)
    is_passed, last_ending, claimed_at = marks
    return SourceState(
        policy=_policy(session, intake_file.arrival.program),
        claimed_at=claimed_at,
        is_passed=is_passed,
        last_ending=None if last_ending is None else HoldEnding(last_ending),
        hold=open_hold(session, intake_id),
    )


def _policy_of(row: tuple[Any, ...]) -> SourcePolicy:
    control_policy, *rest, signatures, daily_caps, two_approvers = row
    accepted = frozenset(map(SignatureAlgorithm, signatures))
    values = (ControlPolicy(control_policy), *rest, accepted, daily_caps, two_approvers)
    return SourcePolicy(*values)


def _key_of(row: tuple[Any, ...]) -> SenderKey:
    *rest, algorithm, valid_from, valid_until = row
    values = (*rest, SignatureAlgorithm(algorithm), valid_from, valid_until)
    return SenderKey(*values)
