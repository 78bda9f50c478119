"""Kinds of damage to the books, and the check that must find each.

Belongs here: the catalogue. How a kind is planted in a copy of the store is in
cardops.adapters.postgresql.reconciliation.damages, in a copy of the files in
cardops.services.reconciliation.file_damages.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind. `check` is the named check that must find it; others may find it too."""

    kind: str
    check: str


DAMAGES: Final = (
    # Accounts and their sequences
    Damage("balance_changed", "ledger_balance_equals_sum_of_postings"),
    Damage("account_lost", "ledger_balance_equals_sum_of_postings"),
    Damage("held_without_hold", "held_balance_equals_open_holds"),
    Damage("account_overdrawn", "no_account_is_below_zero_without_an_obligation"),
    Damage("decision_lost", "account_sequences_have_no_gap"),
    Damage("account_sequence_ahead", "account_sequences_have_no_gap"),
    Damage("sequence_number_repeated", "account_sequences_have_no_repeat"),
    Damage("remaining_credit_changed", "remaining_credit_equals_running_balance"),
    Damage("decision_dated_earlier", "instants_follow_the_sequence"),
    Damage("action_dated_earlier", "instants_follow_the_sequence"),
    # Authorizations
    Damage("refund_above_the_capture", "refunds_are_within_the_captured_amount"),
    Damage("capture_above_the_hold", "captures_are_within_the_permitted_amount"),
    Damage("capture_of_a_rejection", "actions_have_a_permitted_decision"),
    Damage("action_without_decision", "actions_have_a_permitted_decision"),
    Damage("action_on_another_account", "actions_are_on_the_account_of_their_decision"),
    Damage("action_posted_another_amount", "actions_post_their_amounts"),
    Damage("early_void_forgotten", "early_voids_are_announced"),
    Damage("early_void_lost", "voided_decisions_are_announced"),
    Damage("permit_after_an_early_void", "early_voids_refuse_their_authorization"),
    Damage("hold_ended_twice", "holds_end_at_most_once"),
    Damage("hold_state_changed", "hold_states_agree_with_actions"),
    Damage("hold_lost", "holds_have_a_permitted_decision"),
    Damage("hold_without_end", "holds_end_in_time"),
    Damage("rejection_of_another_user", "decisions_are_the_hashed_requests"),
    Damage("decision_in_another_currency", "decisions_are_the_hashed_requests"),
    Damage("request_hash_changed", "decisions_are_the_hashed_requests"),
    Damage("callback_to_another_url", "decisions_are_the_hashed_requests"),
    Damage("hold_without_decision", "holds_have_a_permitted_decision"),
    Damage("held_amount_changed", "held_amounts_agree_with_actions"),
    Damage("captured_amount_changed", "captured_amounts_agree_with_actions"),
    Damage("response_changed", "responses_agree_with_decisions"),
    Damage("response_of_another_instant", "responses_agree_with_decisions"),
    Damage("response_emptied", "responses_agree_with_decisions"),
    Damage("response_with_another_field", "responses_agree_with_decisions"),
    Damage("action_response_changed", "responses_agree_with_actions"),
    Damage("action_response_emptied", "responses_agree_with_actions"),
    Damage("refund_response_of_another_amount", "responses_agree_with_actions"),
    Damage("refund_response_of_another_state", "responses_agree_with_actions"),
    Damage("capture_response_still_holds", "responses_agree_with_actions"),
    Damage("increment_response_of_another_amount", "responses_agree_with_actions"),
    Damage("rejected_increment_of_another_amount", "responses_agree_with_actions"),
    Damage("early_void_response_changed", "responses_agree_with_actions"),
    Damage("callback_changed", "callbacks_repeat_the_response"),
    Damage("callback_lost", "decisions_have_their_callback"),
    # Limits and blocks
    Damage("limit_lost", "limits_in_force_are_the_last_recorded"),
    Damage("limit_raised", "limits_in_force_are_the_last_recorded"),
    Damage("limit_change_lost", "limits_in_force_are_the_last_recorded"),
    Damage("block_lifted", "limits_in_force_are_the_last_recorded"),
    # Deposits and their files
    Damage("content_hash_changed", "deposits_agree_with_their_content_hash"),
    Damage("credit_from_no_file", "deposits_have_their_intake_file"),
    Damage("dead_file_with_credit", "unfinished_files_have_credited_nothing"),
    Damage("dead_file_with_doubled_amount", "raw_deposits_equal_deposits_credited"),
    Damage("deposit_doubled", "deposits_posted_equal_control_totals"),
    Damage("deposit_forged_everywhere", "raw_deposits_equal_deposits_credited"),
    Damage("deposit_in_another_currency", "raw_deposits_equal_deposits_credited"),
    Damage("deposit_on_another_account", "raw_deposits_equal_deposits_credited"),
    Damage("deposit_on_another_day", "exported_log_equals_the_stores_events"),
    Damage("row_not_credited", "raw_deposits_equal_deposits_credited"),
    Damage("accepted_count_changed", "deposits_credited_equal_rows_accepted"),
    Damage("quarantined_count_changed", "raw_rows_equal_rows_counted"),
    Damage("recall_without_deposit", "recalls_have_their_deposit"),
    Damage("recall_of_another_amount", "recalls_have_their_deposit"),
    Damage("reinstatement_without_recall", "reinstatements_have_their_recall"),
    Damage("recalled_deposit_credited", "recalled_files_have_nothing_credited"),
    # Disputed money given back to users
    Damage("credit_taken_back_without_credit", "credit_ends_have_their_credit"),
    Damage("credit_taken_back_of_another_amount", "credit_ends_have_their_credit"),
    Damage("credit_doubled", "provisional_credits_are_within_the_purchase"),
    Damage("decided_credit_altered", "decided_postings_follow_their_decision"),
    Damage("credit_lost", "account_sequences_have_no_gap"),
    Damage("credit_on_another_account", "credit_ends_have_their_credit"),
    Damage("file_lost_by_the_store", "deposits_in_the_lake_equal_deposits_posted"),
    Damage("due_file_missing", "due_files_have_arrived"),
    # Raw files, lake and log
    Damage("raw_file_changed", "raw_files_are_unchanged"),
    Damage("raw_row_added", "raw_deposits_equal_deposits_credited"),
    Damage("lake_file_lost", "deposits_in_the_lake_equal_deposits_posted"),
    Damage("lake_row_split", "lake_deposits_are_the_credited_rows"),
    Damage("closing_balance_changed", "closing_balances_in_the_lake_equal_the_store"),
    Damage("carried_balance_changed", "carried_balances_are_those_reconciled"),
    Damage("carried_balances_lost", "carried_balances_are_those_reconciled"),
    Damage("logged_amount_changed", "transaction_log_adds_up_to_balances"),
    Damage("logged_hold_changed", "transaction_log_adds_up_to_held_balances"),
    Damage("log_row_lost", "exported_log_is_in_the_lake_unchanged"),
    Damage("log_row_doubled", "transaction_log_adds_up_to_balances"),
    Damage("log_row_on_another_account", "transaction_log_adds_up_to_balances"),
    Damage("log_row_on_another_day", "exported_log_equals_the_stores_events"),
    Damage("log_row_in_another_currency", "transaction_log_adds_up_to_balances"),
    Damage("log_file_lost", "exported_log_is_in_the_lake_unchanged"),
    Damage("exported_event_lost", "exported_log_equals_the_stores_events"),
    Damage("exported_increment_lost", "exported_log_equals_the_stores_events"),
    Damage("exported_early_void_lost", "exported_log_equals_the_stores_events"),
)
