"""Each guard of the money path is taken out of a copy; a named test must then fail.

The test is run on the untouched copy as well, so that it fails for that reason alone.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.database

ROOT = Path(__file__).resolve().parents[2]
POSTGRESQL = "cardops/adapters/postgresql"
AUTHORIZATIONS = "tests/adapters/postgresql/authorizations/test_authorizations.py"
MOVES = "tests/adapters/postgresql/authorizations/test_actions.py"
PROCESSES = "tests/authorizer/server/test_several_processes.py"
GUARDED = "tests/adapters/postgresql/authorizations/test_guards.py"
LOCK_ORDER = "tests/adapters/postgresql/authorizations/test_lock_order.py"
MEETINGS = "tests/adapters/postgresql/authorizations/test_concurrent_writers.py"
LIMITS = "tests/adapters/postgresql/accounts/test_spending_limits.py"
OVERTAKEN_LIMITS = "tests/adapters/postgresql/authorizations/test_limits_overtaken.py"
OVERTAKEN = "tests/adapters/postgresql/authorizations/test_overtaken_decisions.py"
# pytest's own exit codes: a test failed, as against none was found or none could be loaded.
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Guard:
    """Where it stands, its text, what is left without it, and the test that must miss it."""

    name: str
    file: str
    text: str
    test: str
    left: str = ""


GUARDS = [
    Guard(
        "question hash",
        "cardops/rules/authorizations/decisions.py",
        "if known.question_hash != question.question_hash:",
        f"{AUTHORIZATIONS}::test_the_same_question_is_answered_with_the_same_bytes_and_another_refused",
        "if False:",
    ),
    Guard(
        "capture once",
        "cardops/rules/authorizations/actions.py",
        "if state is not ALLOWED_FROM[move.kind]:",
        f"{MOVES}::test_a_void_releases_once",
        "if False:",
    ),
    Guard(
        "movement key",
        "cardops/rules/authorizations/actions.py",
        "if earlier is not None:\n        return _repeated",
        f"{MOVES}::test_captured_money_comes_back_in_parts_and_never_more",
        "if False:\n        return _repeated",
    ),
    Guard(
        "unique key of decisions",
        f"{POSTGRESQL}/migrations/0002_money.sql",
        "    primary key (program, transaction_id),\n    constraint permit",
        f"{PROCESSES}::test_two_questions_under_one_id_at_two_processes_leave_one_and_refuse_the_other",
        "    constraint permit",
    ),
    Guard(
        "check of permits",
        f"{POSTGRESQL}/migrations/0002_money.sql",
        "check (status <> 'PERMIT' or remaining_minor >= 0)",
        f"{AUTHORIZATIONS}::test_the_database_itself_refuses_a_permit_that_overdraws",
        "check (true)",
    ),
    Guard(
        "guard in the debit",
        f"{POSTGRESQL}/authorizations_sql.py",
        "        and a.available_minor >= t.taken_minor\n",
        f"{GUARDED}::test_the_debit_itself_refuses_what_a_mistaken_rule_permits",
    ),
    Guard(
        "what was read is as it was",
        f"{POSTGRESQL}/authorizations_sql.py",
        "        and a.ledger_seq = t.seq_before\n",
        f"{OVERTAKEN}::test_what_another_process_spent_meanwhile_is_not_spent_twice",
    ),
    Guard(
        "programs locked before accounts",
        f"{POSTGRESQL}/authorizations_sql.py",
        """(select count(*) from unchanged) = $3::bigint
    and clock_timestamp() < $4::timestamptz
    and (select count(*) from debited) = $2::bigint""",
        f"{LOCK_ORDER}::test_a_decision_has_its_program_before_it_locks_an_account",
        """(select count(*) from debited) = $2::bigint
    and (select count(*) from unchanged) = $3::bigint""",
    ),
    Guard(
        "accounts locked in their order",
        f"{POSTGRESQL}/authorizations_sql.py",
        "(select * from {taken} order by program, user_id, currency)",
        f"{LOCK_ORDER}::test_a_batch_locks_its_accounts_in_their_order",
        "(select * from {taken})",
    ),
    Guard(
        "ids taken in their order",
        f"{POSTGRESQL}/authorization_rows.py",
        "    decisions = sorted(decisions, key=lambda decision: decision.question.id_key)\n",
        f"{LOCK_ORDER}::test_a_batch_takes_its_ids_in_their_order",
    ),
    Guard(
        "revision of the program",
        f"{POSTGRESQL}/authorizations_sql.py",
        " and p.revision = t.revision",
        f"{OVERTAKEN}::test_a_user_blocked_meanwhile_spends_nothing",
    ),
    Guard(
        "members decided alone",
        f"{POSTGRESQL}/authorizations.py",
        "return [await self._decide_alone(question) for question in questions]",
        f"{AUTHORIZATIONS}::test_a_member_that_fails_does_not_fail_its_neighbours",
        "break",
    ),
    Guard(
        "tenancy",
        f"{POSTGRESQL}/authorizations_sql.py",
        "a.program = t.program and a.user_id = t.user_id",
        f"{GUARDED}::test_a_user_of_two_programs_spends_in_the_one_that_was_asked",
        "a.user_id = t.user_id",
    ),
    Guard(
        "revision of tombstones",
        f"{POSTGRESQL}/authorizations_sql.py",
        "update programs set revision = revision + 1 where program = $1 returning currency",
        f"{MOVES}::test_a_void_and_its_authorization_that_meet_never_both_win",
        "select currency from programs where program = $1",
    ),
    Guard(
        "lock order of accounts that are read",
        f"{POSTGRESQL}/authorizations_sql.py",
        'lock="order by a.program, a.user_id, a.currency for update of a"',
        f"{MEETINGS}::test_batches_that_lock_the_same_accounts_never_wait_in_a_circle",
        'lock="for update of a"',
    ),
    Guard(
        "retry",
        f"{POSTGRESQL}/sessions.py",
        "MAX_ATTEMPTS: Final = 4",
        f"{MEETINGS}::test_a_batch_whose_session_is_ended_while_it_waits_is_decided_in_another",
        "MAX_ATTEMPTS: Final = 1",
    ),
    Guard(
        "limits: no permit between the count and the commit",
        f"{POSTGRESQL}/authorizations_sql.py",
        "        and a.ledger_seq = t.seq_before\n",
        f"{LIMITS}::test_processes_that_ask_for_one_user_at_once_never_pass_a_count",
    ),
    Guard(
        "limits: no permit between the account and the count",
        f"{POSTGRESQL}/limit_rows.py",
        "if seq != seq_read:",
        f"{OVERTAKEN_LIMITS}::test_a_refusal_tells_the_balance_that_its_limit_was_counted_with",
        "if False:",
    ),
    Guard(
        "limits: lock of the account of an increment",
        f"{POSTGRESQL}/authorizations_sql.py",
        "where a.program = $1 and a.user_id = $2 and a.currency = $3\nfor update of a\n",
        f"{MEETINGS}::test_increments_that_meet_are_counted_one_after_the_other",
        "where a.program = $1 and a.user_id = $2 and a.currency = $3\n",
    ),
    Guard(
        "limits: revision of a change",
        f"{POSTGRESQL}/programs.py",
        "set revision = revision + 1 where",
        f"{OVERTAKEN}::test_a_limit_set_meanwhile_holds",
        "set revision = revision where",
    ),
]
IN_CI = GUARDS[:2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What this repository tracks, elsewhere."""
    place = tmp_path_factory.mktemp("copy")
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.split("\n"):
        if name.endswith((".py", ".sql", ".toml", ".csv", ".html")) and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)
    return place


def outcome(copy: Path, test: str, server_url: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(copy), "CARDOPS_DATABASE_URL": server_url},
    )
    return done.returncode, done.stdout[-2000:] + done.stderr[-500:]


@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(guard, id=guard.name, marks=[] if guard in IN_CI else [pytest.mark.soak])
        for guard in GUARDS
    ],
)
def test_without_this_guard_a_named_test_fails(guard: Guard, copy: Path, server_url: str) -> None:
    whole, told = outcome(copy, guard.test, server_url)
    assert whole == PASSED, told
    file = copy / guard.file
    text = file.read_text("utf-8")
    assert text.count(guard.text) == 1, "the guard is not where it was: mend this table"
    file.write_text(text.replace(guard.text, guard.left), "utf-8")
    try:
        without, told = outcome(copy, guard.test, server_url)
    finally:
        file.write_text(text, "utf-8")

    assert without == FAILED, f"nobody missed the {guard.name}:\n{told}"
