"""Each guard of the money path is removed from a copy of the code; a named test must then fail.

A guard is found by its marker in the code, so that rewording the code does not break this test: a
comment `guard: name` at the end of a line, or `guard-begin: name` and `guard-end: name` around
several. Landed migrations never change, so their guards are found by their text. The named test
also runs on the untouched copy, so that it fails for that reason alone.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("cardops", "authorizer")
MONEY = "cardops/adapters/postgresql/migrations/0002_money.sql"
STORE = "tests/adapters/postgresql"
AUTHORIZATIONS = f"{STORE}/authorizations/test_authorizations.py"
ACTIONS = f"{STORE}/authorizations/test_actions.py"
MISTAKEN_RULE = f"{STORE}/authorizations/test_guards.py"
LOCK_ORDER = f"{STORE}/authorizations/test_lock_order.py"
CONCURRENT = f"{STORE}/authorizations/test_concurrent_writers.py"
OVERTAKEN = f"{STORE}/authorizations/test_overtaken_decisions.py"
WRITERS = f"{STORE}/authorizations/test_writers.py"
OVERTAKEN_ACTIONS = f"{STORE}/authorizations/test_overtaken_actions.py"
LOCKED = f"{STORE}/authorizations/test_locked_accounts.py"
OVERTAKEN_LIMITS = f"{STORE}/authorizations/test_limits_overtaken.py"
LIMITS = f"{STORE}/accounts/test_spending_limits.py"
DEPOSIT_FAULTS = f"{STORE}/accounts/test_deposit_faults.py"
CREDIT_FLUSHED = "tests/faults/test_credit_flushed.py"
RECALLS = "tests/services/accounts/test_recalls.py"
REPLACED = "tests/services/accounts/test_replaced_files.py"
REINSTATEMENTS = "tests/services/accounts/test_reinstatements.py"
RESTATED = "tests/services/reconciliation/test_restatement.py"
CARRIED = "tests/services/reconciliation/test_carried_balances.py"
KNOWN_ROWS = "tests/services/intake/test_known_rows.py"
ARCHIVING = "tests/services/callbacks/test_archiving.py"
PROCESSES = "tests/authorizer/server/test_several_processes.py"
# pytest's own exit codes: a test failed, as opposed to none found or none loaded.
PASSED, FAILED = 0, 1
# No plugin but those that the settings and the named tests need. Dagster's warnings are ignored by their
# words: naming their classes would import it, which is half of what a start takes.
PLAIN = [
    *("-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
    *("-o", "filterwarnings=error\nignore:.*is currently in (beta|preview)"),
]

MARKER = re.compile(r"(?:#|--) guard(?:-begin)?: ([a-z-]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Guard:
    """A marker (or the text of a migration), what replaces it, and the test that must fail."""

    name: str
    test: str
    replacement: str = ""
    migration_text: str = ""

    @property
    def label(self) -> str:
        return f"{self.name}-{Path(self.test.partition('::')[0]).stem}"


CONTROL_FILES = "tests/services/intake/test_control_files.py"
APPROVALS = "tests/services/intake/test_approvals.py"
OPENPGP = "tests/services/intake/test_openpgp_control_files.py"
DATE_CAPS = "tests/services/intake/test_date_caps.py"

FILED = f"{STORE}/test_filed_batches.py"
WAITING = "tests/services/chargebacks/test_waiting_disputes.py"
SMALL_FILES = "tests/services/intake/test_small_files.py"
SET_APART = "tests/services/intake/test_files_set_apart.py"

EVIDENCE_SENDING = "tests/services/disputes/test_evidence_sending.py"
ACKNOWLEDGEMENTS = "tests/services/deliveries/test_acknowledgements.py"
PROVISIONAL = f"{STORE}/provisional/test_provisional_ledger.py"
DECIDING = "tests/services/provisional/test_deciding.py"

INCIDENTS = f"{STORE}/test_incidents.py"
NOTIFYING = "tests/services/alarms/test_notifying.py"

GUARDS = [
    Guard(
        "one-process-an-incident",
        f"{NOTIFYING}::test_racing_processes_make_one_incident_and_tell_it_once",
        'LOCK: Final = ""',
    ),
    Guard(
        "alarm-known-as-told",
        f"{NOTIFYING}::test_incident_seen_a_hundred_times_is_told_once",
        "after = incident",
    ),
    Guard(
        "alarm-claimed-by-its-maker",
        f"{INCIDENTS}::test_message_is_its_senders_for_two_minutes_then_anybodys[postgresql]",
        "due_at = at",
    ),
    Guard(
        "alarm-claimed-by-its-sender",
        f"{INCIDENTS}::test_message_is_its_senders_for_two_minutes_then_anybodys[postgresql]",
        "until = now",
    ),
    Guard(
        "alarm-message-of-one-sender",
        f"{INCIDENTS}::test_message_that_another_process_is_claiming_is_not_handed_out",
        '""',
    ),
    Guard(
        "resolved-not-acknowledged",
        f"{INCIDENTS}::test_resolved_or_missing_incident_is_not_acknowledged[postgresql]",
        "if False:",
    ),
    Guard(
        "untold-alarm-kept",
        f"{INCIDENTS}::test_what_nobody_could_be_told_of_is_not_forgotten[postgresql]",
    ),
    Guard(
        "unrecorded-alarm-told",
        f"{NOTIFYING}::test_alarm_is_told_while_the_database_is_down",
        "pass",
    ),
    Guard(
        "sent-alarm-recorded",
        f"{NOTIFYING}::test_failing_channel_stops_neither_work_nor_others_and_is_tried_again",
        "pass",
    ),
    Guard(
        "failed-alarm-recorded",
        f"{NOTIFYING}::test_failing_channel_stops_neither_work_nor_others_and_is_tried_again",
        "pass",
    ),
    Guard(
        "steps-of-a-slot-compared",
        "tests/contracts/lake/test_chargeback_csv.py"
        "::test_latest_step_of_a_stage_is_its_line_in_a_slot_written_in_parts",
        "if False:",
    ),
    Guard(
        "acknowledgement-once",
        f"{ACKNOWLEDGEMENTS}::test_recorded_file_again_returns_what_is_on_record",
        "if False:",
    ),
    Guard(
        "reopened-once",
        f"{ACKNOWLEDGEMENTS}::test_rejected_row_is_in_a_later_batch_and_waits_when_rejected_again",
        "again = keys",
    ),
    Guard(
        "provisional-account-lock",
        f"{PROVISIONAL}::test_posting_beside_another_change_takes_the_next_number",
    ),
    Guard(
        "provisional-complete",
        f"{PROVISIONAL}::test_dispute_posted_to_another_account_meanwhile_is_posted_once",
        "if False:",
    ),
    Guard(
        "credit-within-purchase",
        f"{PROVISIONAL}::test_credits_together_never_exceed_the_purchase",
    ),
    Guard(
        "final-within-purchase",
        f"{PROVISIONAL}::test_final_credit_never_exceeds_the_purchase",
    ),
    Guard(
        "notice-before-taking-back",
        "tests/services/provisional/test_crediting.py"
        "::test_credit_is_taken_back_two_business_days_after_its_notice",
        "sent_on = sent_on or reason_on\n    if False:",
    ),
    Guard(
        "decision-of-these-facts",
        f"{DECIDING}::test_decision_about_earlier_facts_is_not_followed",
        "if decision is None:",
    ),
    Guard(
        "one-decision",
        f"{DECIDING}::test_second_person_cannot_decide_otherwise_without_saying_so",
        "if False:",
    ),
    Guard("last-decision", f"{DECIDING}::test_replaced_decision_is_not_posted", "if False:"),
    Guard(
        "decision-before-posting",
        f"{DECIDING}::test_decision_about_what_was_posted_is_not_recorded",
        "and step = 'never'",
    ),
    Guard(
        "shared-lake-file",
        f"{SMALL_FILES}::test_repeat_of_one_file_replaces_its_rows_in_the_shared_lake_file",
        "if True:",
    ),
    Guard(
        "one-lake-writer",
        f"{SMALL_FILES}::test_shared_lake_file_has_one_writer_at_a_time",
        "if True:",
    ),
    Guard(
        "grouped-control-file",
        f"{SET_APART}::test_file_with_a_control_file_is_looked_at_by_itself",
        "if False:",
    ),
    Guard(
        "one-trial",
        f"{STORE}/test_breakers.py::test_one_of_several_processes_gets_the_trial",
        "row = session.execute(_FIND, [destination]).fetchone()",
    ),
    Guard(
        "owed-alarm",
        "tests/rules/deliveries/test_breakers.py"
        "::test_alarm_is_owed_once_by_one_after_the_lease_of_who_opened_it",
    ),
    Guard(
        "one-refused-login",
        "tests/faults/test_refused_logins.py"
        "::test_rejected_credentials_are_tried_once_for_all_files",
        "return breaker",
    ),
    Guard(
        "usable-certificate",
        "tests/services/deliveries/test_encryption.py"
        "::test_certificate_that_cannot_be_encrypted_for_is_refused_before_connecting",
    ),
    Guard(
        "request-hash",
        f"{AUTHORIZATIONS}::test_same_request_replays_and_different_request_mismatches",
        "if False:",
    ),
    Guard(
        "unread-amount",
        "tests/contracts/reading/test_mapped_files.py"
        "::test_rows_that_cannot_be_read_for_certain_are_quarantined",
        "return value.fill_null(text)",
    ),
    Guard(
        "known-in-lake",
        f"{KNOWN_ROWS}::test_rows_not_yet_in_the_lake_are_finished_before_they_count",
    ),
    Guard(
        "numbered-after-later",
        f"{KNOWN_ROWS}::test_repeat_numbers_a_step_after_those_of_later_files",
        "return found",
    ),
    Guard(
        "between-requests",
        "tests/authorizer/server/test_known_heads.py"
        "::test_bytes_of_a_known_request_within_a_body_are_no_request",
        "if False:",
    ),
    Guard(
        "statement-adds-up",
        "tests/contracts/kinds/test_bank_statements.py"
        "::test_statement_that_does_not_add_up_is_refused_with_both_figures",
        "if False:",
    ),
    Guard(
        "latest-record",
        "tests/services/intake/test_jpmorgan_reports.py"
        "::test_later_of_two_jpmorgan_records_wins_by_activity_date",
        "if False:",
    ),
    Guard(
        "debit-network",
        "tests/rules/chargebacks/test_routing.py"
        "::test_reason_code_decides_nothing_beside_a_name_that_nobody_knows",
        "if False:",
    ),
    Guard(
        "partial-disputes-apart",
        "tests/services/intake/test_chargebacks.py"
        "::test_partial_disputes_without_case_number_stay_apart",
        "amount_minor=None,",
    ),
    Guard(
        "decrypted-size",
        "tests/services/deliveries/test_encrypted_messages.py"
        "::test_message_is_read_up_to_its_limit_and_refused_beyond",
        "if False:",
    ),
    Guard(
        "signed-message",
        "tests/services/deliveries/test_acknowledgements.py"
        "::test_signature_that_names_the_card_companys_key_must_be_valid",
        "if False:",
    ),
    Guard(
        "left-stage-is-past",
        "tests/services/intake/test_dispute_sequences.py"
        "::test_old_report_does_not_bring_back_a_stage_that_was_left",
        "past = 0",
    ),
    Guard(
        "return-is-a-step",
        "tests/services/intake/test_dispute_sequences.py"
        "::test_return_to_an_earlier_state_in_one_file_reopens",
        "found.append(is_change and place >= repeated and row.state not in told[:place])",
    ),
    Guard(
        "new-clock",
        "tests/services/intake/test_dispute_clocks.py::test_reopened_dispute_gets_a_new_clock",
        "if False:",
    ),
    Guard(
        "ended-dispute",
        "tests/services/disputes/test_recording.py::test_ended_dispute_takes_notes_alone",
        "if False:",
    ),
    Guard(
        "one-record-at-a-time",
        "tests/services/disputes/test_recording.py"
        "::test_two_people_at_once_decide_one_after_the_other",
    ),
    Guard(
        "one-evidence-change-at-a-time",
        f"{STORE}/test_dispute_evidence.py"
        "::test_two_people_at_once_change_evidence_one_after_the_other",
    ),
    Guard(
        "evidence-as-it-was-added",
        f"{EVIDENCE_SENDING}::test_altered_file_is_refused_when_sent_and_when_made",
        "if False:",
    ),
    Guard(
        "one-acceptance-a-dispute",
        "tests/services/disputes/test_acceptances.py::test_two_that_look_at_once_send_it_once",
        "return None",
    ),
    Guard(
        "evidence-that-is-current",
        f"{EVIDENCE_SENDING}::test_change_by_somebody_else_in_between_sends_nothing",
        "if False:",
    ),
    Guard(
        "recorded-before-sent",
        "tests/services/disputes/test_alarms.py"
        "::test_alarm_of_a_killed_process_is_sent_at_most_once",
        "raised = wanted",
    ),
    Guard(
        "monitoring-alarm-recorded",
        "tests/services/disputes/test_monitoring_alarms.py"
        "::test_second_look_raises_nothing_until_the_line_is_reached",
        "raised = list(self.programmes.alarms())",
    ),
    Guard(
        "money-of-the-latest",
        "tests/services/intake/test_dispute_lines.py"
        "::test_two_versions_in_one_file_are_one_line_with_its_money",
        "return batch.with_columns(versions=pl.lit(1, pl.Int64))",
    ),
    Guard(
        "converted-rows",
        "tests/services/intake/test_mapped_intake.py"
        "::test_released_rows_of_a_bank_file_are_read_without_the_mapping",
        "if False:",
    ),
    Guard(
        "one-comparison-at-once",
        "tests/services/reconciliation/test_nightly.py"
        "::test_night_beside_a_full_run_never_replaces_what_that_one_found",
        "if True:",
    ),
    Guard(
        "one-snapshot",
        "tests/adapters/postgresql/reconciliation/test_transaction_log.py"
        "::test_rows_and_oldest_transaction_are_of_one_snapshot",
    ),
    Guard(
        "statement-present",
        "tests/services/bank/test_safeguarding.py"
        "::test_absent_statement_is_a_break_though_the_money_agrees",
        "if False:",
    ),
    Guard("action-state", f"{ACTIONS}::test_void_releases_the_hold_once", "if False:"),
    Guard(
        "action-key",
        f"{ACTIONS}::test_refunds_never_exceed_the_captured_amount",
        "if False:",
    ),
    Guard(
        "unique key of decisions",
        f"{PROCESSES}::test_conflicting_requests_at_two_processes_decide_one",
        "    constraint permit",
        "    primary key (program, transaction_id),\n    constraint permit",
    ),
    Guard(
        "check of permits",
        f"{AUTHORIZATIONS}::test_database_refuses_a_permit_that_overdraws",
        "check (true)",
        "check (status <> 'PERMIT' or remaining_minor >= 0)",
    ),
    Guard(
        "debit-covered",
        f"{MISTAKEN_RULE}::test_debit_refuses_what_a_mistaken_rule_permits",
    ),
    Guard(
        "debit-program",
        f"{MISTAKEN_RULE}::test_user_of_two_programs_is_debited_in_the_requested_one",
    ),
    Guard(
        "debit-unchanged-account",
        f"{OVERTAKEN}::test_debit_during_decision_is_not_spent_twice",
    ),
    Guard(
        "debit-unchanged-account",
        f"{LIMITS}::test_concurrent_processes_never_exceed_a_count_limit",
    ),
    Guard("debit-lock-order", f"{LOCK_ORDER}::test_batch_locks_accounts_in_order"),
    Guard("id-order", f"{LOCK_ORDER}::test_batch_writes_ids_in_order"),
    Guard("debit-unchanged-revision", f"{OVERTAKEN}::test_block_during_decision_is_obeyed"),
    Guard(
        "locked-read-revision",
        f"{OVERTAKEN}::test_block_during_wait_for_locks_is_obeyed",
        'revision="r.revision",',
    ),
    Guard(
        "new-account-revision",
        f"{OVERTAKEN}::test_repeated_block_completes_one_that_was_killed",
        "set revision = a.revision",
    ),
    Guard("program-revision", f"{OVERTAKEN}::test_limit_set_during_decision_is_obeyed"),
    Guard(
        "new-program-revision",
        f"{OVERTAKEN}::test_limit_set_during_decision_is_obeyed",
        '"update programs set revision = revision where program = %s"',
    ),
    Guard("voided-ids", f"{OVERTAKEN}::test_void_during_decision_rejects_it"),
    Guard(
        "voids-wait-for-decisions",
        f"{WRITERS}::test_void_waits_for_a_decision_that_is_being_written",
    ),
    Guard(
        "limits-wait-for-decisions",
        f"{WRITERS}::test_program_limit_waits_for_decisions_that_are_being_written",
    ),
    Guard(
        "sessions-read-committed",
        f"{WRITERS}::test_write_sees_what_was_committed_before_its_table_locks",
    ),
    Guard(
        "writers-visible",
        f"{WRITERS}::test_change_is_not_reported_where_locks_are_hidden",
        "if False:",
    ),
    Guard(
        "members-alone",
        f"{AUTHORIZATIONS}::test_failing_member_does_not_fail_its_batch",
        "done = [self.undecided] * len(left)",
    ),
    Guard(
        "read-lock-order",
        f"{CONCURRENT}::test_batches_locking_the_same_accounts_never_deadlock",
        'lock="for update of a",',
    ),
    Guard(
        "retry",
        f"{CONCURRENT}::test_batch_with_terminated_session_is_retried_in_another",
        "MAX_ATTEMPTS: Final = 1",
    ),
    Guard(
        "limit-unchanged-account",
        f"{OVERTAKEN_LIMITS}::test_limit_rejection_reports_balance_of_the_same_instant",
        "if False:",
    ),
    Guard(
        "locked-apart",
        f"{LOCKED}::test_members_on_a_locked_account_are_set_apart",
        "for place in ():",
    ),
    Guard(
        "action-account-lock",
        f"{OVERTAKEN_ACTIONS}::test_action_overtaken_again_and_again_takes_locks",
    ),
    Guard(
        "action-unchanged-account",
        f"{OVERTAKEN_ACTIONS}::test_change_of_account_during_action_is_not_lost",
    ),
    Guard(
        "action-unchanged-revision",
        f"{OVERTAKEN_ACTIONS}::test_block_during_increment_is_obeyed",
    ),
    Guard(
        "action-program-revision",
        f"{OVERTAKEN_ACTIONS}::test_limit_set_during_increment_is_obeyed",
    ),
    Guard(
        "action-write-deadline",
        f"{OVERTAKEN_ACTIONS}::test_action_written_late_is_dated_when_it_was_written",
    ),
    Guard(
        "action-consistent-hold",
        f"{OVERTAKEN_ACTIONS}::test_contradicting_hold_fails_alone",
        "return movement",
    ),
    Guard("action-lock-order", f"{LOCK_ORDER}::test_action_batch_locks_accounts_in_order"),
    Guard(
        "action-id-order",
        f"{LOCK_ORDER}::test_action_batch_writes_ids_in_order",
        "columns = _movement_columns(decided)",
    ),
    Guard(
        "recalled-ingest",
        f"{RECALLS}::test_half_credited_file_is_recalled_and_never_finished",
        "if False:",
    ),
    Guard(
        "claimed-content",
        f"{REPLACED}::test_file_replaced_before_its_first_run_is_refused",
        "if False:",
    ),
    Guard(
        "recalled-origin",
        f"{REPLACED}::test_rows_released_before_a_recall_and_claimed_after_it_credit_nothing",
        "return False",
    ),
    Guard(
        "recalled-file",
        f"{RECALLS}::test_run_that_lost_its_lock_credits_nothing_of_a_recalled_file",
        "if False:",
    ),
    Guard(
        "reinstate-recalled-only",
        f"{REINSTATEMENTS}::test_file_without_recalled_deposits_reinstates_nothing",
        "true",
    ),
    Guard(
        "posting-sequence",
        f"{DEPOSIT_FAULTS}::test_reinstatement_posted_meanwhile_leaves_no_gap_in_a_sequence",
        "if False:",
    ),
    Guard("credit-flushed", f"{CREDIT_FLUSHED}::test_credited_file_survives_a_killed_database"),
    Guard(
        "recorded-before-deleted",
        f"{ARCHIVING}::test_run_killed_anywhere_is_continued_whole_and_once",
    ),
    Guard(
        "archived-as-it-is",
        f"{ARCHIVING}::test_callback_replayed_between_archive_and_deletion_stays",
    ),
    Guard(
        "restated-rows",
        f"{RESTATED}::test_closed_date_that_lost_a_row_is_not_exported_again",
        "if False:",
    ),
    Guard(
        "carried-balances",
        f"{CARRIED}::test_changed_balance_makes_a_full_run_and_a_break",
        "if False:",
    ),
    Guard(
        "control-totals", f"{CONTROL_FILES}::test_difference_refuses_the_whole_file", "if False:"
    ),
    Guard(
        "control-signature",
        f"{CONTROL_FILES}::test_file_without_a_valid_signature_is_refused",
        "if False:",
    ),
    Guard(
        "revoked-sender-key",
        f"{CONTROL_FILES}::test_revoked_key_signs_no_longer",
        "if False:",
    ),
    Guard(
        "sender-key-validity",
        f"{OPENPGP}::test_key_signs_within_its_validity_alone",
        "if False:",
    ),
    Guard(
        "signature-policy",
        f"{OPENPGP}::test_algorithm_must_be_one_that_the_program_accepts",
        "if False:",
    ),
    Guard(
        "revoked-certificate",
        f"{OPENPGP}::test_revoked_certificate_signs_no_longer",
        "if False:",
    ),
    Guard(
        "expired-certificate",
        f"{OPENPGP}::test_certificate_that_expired_since_signs_no_longer",
        "if False:",
    ),
    Guard(
        "expired-subkey",
        f"{OPENPGP}::test_subkey_that_expired_since_signs_no_longer",
        "if False:",
    ),
    Guard(
        "date-sums-turn",
        f"{DATE_CAPS}::test_files_that_pass_at_once_stay_below_the_cap_together",
        "",
    ),
    Guard(
        "registered-program",
        "tests/services/intake/test_quarantine_folder.py"
        "::test_repeat_of_a_file_that_no_claim_accepts_is_refused_as_before",
        "if False:",
    ),
    Guard(
        "quarantine-folder",
        "tests/services/intake/test_quarantine_folder.py"
        "::test_files_of_one_folder_at_once_lose_no_row",
        "if True:",
    ),
    Guard(
        "second-approver",
        f"{DATE_CAPS}::test_two_different_persons_approve_above_the_second_cap",
        "if False:",
    ),
    Guard(
        "approval",
        f"{APPROVALS}::test_file_above_its_cap_credits_nothing_until_it_is_approved",
        "if False:",
    ),
    Guard(
        "released-name",
        f"{APPROVALS}::test_file_under_the_name_of_released_rows_is_not_taken_for_them",
        "if True:",
    ),
    Guard(
        "filed-once",
        f"{FILED}::test_file_begun_while_its_batch_is_filed_waits_for_it",
    ),
    Guard(
        "later-batch",
        f"{FILED}::test_file_that_is_begun_after_its_batch_was_filed_moves_on",
    ),
    Guard(
        "filed-rows-only",
        f"{WAITING}::test_rows_that_a_dead_file_left_in_the_lake_wait_and_are_in_no_file",
        "return rows.filter(pl.col('batch_id') == batch.batch_id).drop("
        "'business_date', strict=False)",
    ),
    Guard(
        "nothing-left-unmade",
        f"{WAITING}::test_rows_of_a_batch_whose_other_file_died_are_filed_when_sent_again",
        "if False:",
    ),
    Guard(
        "failed-builds",
        "tests/adapters/warehouse/test_failed_builds.py::test_build_with_failed_tests_is_not_published",
        "if False:",
    ),
    Guard("submitter", f"{APPROVALS}::test_submitter_cannot_approve", "if False:"),
]
IN_CI = [guard for guard in GUARDS if guard.name in {"shared-lake-file", "one-lake-writer"}]


def test_every_guard_marker_is_unique_and_has_a_test() -> None:
    markers = Counter(
        name
        for folder in CODE
        for path in (ROOT / folder).rglob("*.py")
        for name in MARKER.findall(path.read_text("utf-8"))
    )

    assert set(markers.values()) == {1}, markers
    assert set(markers) == {guard.name for guard in GUARDS if not guard.migration_text}
    for file, name in (guard.test.split("::") for guard in GUARDS):
        assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text("utf-8"), name


def without(guard: Guard, text: str) -> str:
    """The text of a file without the guard. Raises AssertionError where it is not there once."""
    if guard.migration_text:
        assert text.count(guard.migration_text) == 1
        return text.replace(guard.migration_text, guard.replacement)
    line = rf"^( *)\S[^\n]*(?:#|--) guard: {guard.name}$"
    block = rf"^( *)(?:#|--) guard-begin: {guard.name}$.*?(?:#|--) guard-end: {guard.name}$"
    found = re.findall(f"(?ms:{block})|(?m:{line})", text)
    assert len(found) == 1, f"guard {guard.name}: found {len(found)} times"
    changed = re.sub(f"(?ms){block}", lambda match: match[1] + guard.replacement, text)
    return re.sub(f"(?m){line}", lambda match: match[1] + guard.replacement, changed)


def file_of(guard: Guard, copy: Path) -> Path:
    if guard.migration_text:
        return copy / MONEY
    (path,) = (
        path
        for folder in CODE
        for path in (copy / folder).rglob("*.py")
        if guard.name in MARKER.findall(path.read_text("utf-8"))
    )
    return path


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's files."""
    target = tmp_path_factory.mktemp("copy")
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.split("\n"):
        if (
            name.endswith((".py", ".sql", ".toml", ".csv", ".html", ".yml"))
            and (ROOT / name).is_file()
        ):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


@cache
def outcome_of_untouched(copy: Path, module: str, server_url: str) -> tuple[int, str]:
    """Of all tests in the module that guards name."""
    named = {guard.test for guard in GUARDS if guard.test.partition("::")[0] == module}
    return outcome(copy, server_url, *sorted(named))


def outcome(copy: Path, server_url: str, *tests: str) -> tuple[int, str]:
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *PLAIN, *tests],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={
            **os.environ,
            "PYTHONPATH": str(copy),
            "CARDOPS_DATABASE_URL": server_url,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
    )
    return finished.returncode, finished.stdout[-2000:] + finished.stderr[-500:]


@pytest.mark.database
@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(guard, id=guard.label, marks=[] if guard in IN_CI else [pytest.mark.soak])
        for guard in GUARDS
    ],
)
def test_guards_test_fails_without_the_guard(guard: Guard, copy: Path, server_url: str) -> None:
    status, output = outcome_of_untouched(copy, guard.test.partition("::")[0], server_url)
    assert status == PASSED, output
    file = file_of(guard, copy)
    text = file.read_text("utf-8")
    file.write_text(without(guard, text), "utf-8")
    try:
        status, output = outcome(copy, server_url, guard.test)
    finally:
        file.write_text(text, "utf-8")

    assert status == FAILED, f"no test failed without the guard {guard.name}:\n{output}"
