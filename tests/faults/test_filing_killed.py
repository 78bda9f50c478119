"""A process that files batches is killed at each of its steps: each accepted row is in one file, once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cardops.adapters.postgresql.programs.programs import PostgresPrograms
from cardops.rules.chargebacks.batch_totals import batch_breaks
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.programs.programs import Program
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED, PAID, TRANSACTIONS
from tests.factories.intake_environment import csv_file
from tests.servers.killable_filing import FilingDesk, file_and_die
from tests.servers.warm_command import warm_context

# Each of its steps takes a process of its own.
pytestmark = [pytest.mark.database, pytest.mark.soak, pytest.mark.timeout(1800)]
KILLED = -9
REFUNDED = PAID.replace("completed", "refunded")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def ingest(desk: FilingDesk, round_number: int) -> set[str]:
    """A batch for two card companies, with a dispute that its program holds; the cases."""
    cases = [f"{name}-{round_number}" for name in ("plain", "amex", "held")]
    plain, amex, held = (DISPUTED.replace("c1", case) for case in cases)
    rows = [
        plain.replace("t1", "t2"),
        amex.replace("t1", "t3").replace("visa", "amex"),
        held.replace("t1", f"t-{round_number}"),
    ]
    payment = REFUNDED.replace("t1", f"t-{round_number}")
    desk.world.submit("transactions", csv_file(TRANSACTIONS, payment))
    desk.world.submit("chargebacks", csv_file(CHARGEBACKS, *rows))
    return set(cases)


def test_killed_filing_is_finished_by_the_next_one(
    module_database_url: str, tmp_path: Path
) -> None:
    PostgresPrograms(module_database_url).create(Program("default"))
    desk, cases = FilingDesk(module_database_url, tmp_path), set[str]()
    desk.intake_ledger.set_dispute_policy("default", "refunded_already", "hold", set_by="ops")
    for dies_at in range(1, 100):
        cases |= ingest(desk, dies_at)
        process = warm_context().Process(
            target=file_and_die, args=(module_database_url, tmp_path, dies_at)
        )
        process.start()
        process.join(60)
        assert process.exitcode in {0, KILLED}
        waiting = [row.case_number for row in desk.waiting.rows()]
        assert len(waiting) == len(set(waiting))
        assert {case for _, case in desk.lines()} | set(waiting) == cases
        made = desk.contents()

        desk.run()

        assert desk.waiting.rows() == []
        assert Counter(case for _, case in desk.lines()) == dict.fromkeys(cases, 1)
        assert made.items() <= desk.contents().items()
        assert desk.intake_ledger.batch_accounts(YESTERDAY) == []
        for batch_id in {batch for batch, case in desk.lines() if case.endswith(f"-{dies_at}")}:
            assert batch_breaks(desk.builder.add_up(batch_id, NETWORKS)) == []
        if process.exitcode == 0:
            assert dies_at > 30, "too few steps to prove anything"
            return
    pytest.fail("no filing survived")
