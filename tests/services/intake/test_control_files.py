"""Control files: what they say must be what the file says, or nothing of it is applied."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.rules.intake.arrivals import place_of
from cardops.rules.intake.control_files import (
    ControlPolicy,
    FileFigures,
    control_content,
    signed_bytes,
)
from cardops.rules.intake.files import FileOutcome, FileStatus
from cardops.rules.intake.source_controls import DEPOSITS, SenderKey, SourcePolicy
from cardops.rules.money import AmountProblem, parse_amount
from cardops.services.intake.held_files import HeldFiles
from cardops.services.intake.ingestion import ingest_file
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.lake import FailingLake
from tests.fakes.notifier import FakeNotifier

HEADER = "user_id,amount,deposit_id,timestamp,currency"
AT = "2026-11-20T10:00:00Z"
KEY = "incoming/deposits/default/bank.csv"
CONTENT = csv_file(HEADER, f"u1,25.00,d1,{AT},USD", f"u2,1.50,d2,{AT},USD", f"u2,500,d3,{AT},JPY")
SIGNER = Ed25519PrivateKey.generate()


def figures(content: str = CONTENT, **changes: Any) -> FileFigures:
    values = {
        "row_count": 3,
        "totals_minor": {"USD": 2650, "JPY": 500},
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    return FileFigures(**{**values, **changes})


def signed(stated: FileFigures, *, program: str = "default", by: Any = SIGNER) -> bytes:
    return control_content(stated, signature=by.sign(signed_bytes(program, stated)), key_id="k1")


def demand(world: IntakeWorld, control: ControlPolicy, **caps: int) -> None:
    world.source_controls.set_policy("default", SourcePolicy(control, caps_minor=caps), "ops")


def register(world: IntakeWorld, key_id: str = "k1", signer: Any = SIGNER) -> None:
    public = signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    world.source_controls.add_key(SenderKey("default", key_id, public))


def put(world: IntakeWorld, content: str = CONTENT, control: bytes | None = None) -> int:
    """A file, its control file if any, and its claim."""
    world.raw_store.replace(KEY, content.encode())
    if control is not None:
        world.raw_store.replace(f"{KEY}.ctl.json", control)
    return world.claim(KEY)


def ingested(world: IntakeWorld, intake_id: int) -> FileOutcome:
    return ingest_file(intake_id, world.ports).outcome


def held_files(world: IntakeWorld) -> HeldFiles:
    return HeldFiles(
        world.source_controls,
        world.intake_ledger,
        world.raw_store,
        world.failed_store,
        world.clock,
    )


def assert_nothing_credited(world: IntakeWorld) -> None:
    assert not world.deposit_ledger.events


def test_file_that_agrees_with_its_control_file_is_applied(world: IntakeWorld) -> None:
    outcome = ingested(world, put(world, control=control_content(figures())))

    assert (outcome.accepted, outcome.error) == (3, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"row_count": 4}, "4 rows are stated and 3 were read"),
        ({"totals_minor": {"USD": 2651, "JPY": 500}}, "26.51 USD is stated and 26.50 USD was read"),
        ({"totals_minor": {"USD": 2650}}, "0 JPY is stated and 500 JPY was read"),
        (
            {"totals_minor": {"USD": 2650, "JPY": 500, "EUR": 1}},
            "0.01 EUR is stated and 0.00 EUR was read",
        ),
        ({"sha256": "0" * 64}, f"sha256 {'0' * 64} is stated and {figures().sha256} arrived"),
    ],
)
def test_difference_refuses_the_whole_file(
    world: IntakeWorld, changes: dict[str, Any], sentence: str
) -> None:
    outcome = ingested(world, put(world, control=control_content(figures(**changes))))

    assert outcome.error is not None
    assert sentence in outcome.error
    assert_nothing_credited(world)
    stored = [key for key in world.failed_store.contents if key.endswith("error.json")]
    assert json.loads(world.failed_store.contents[stored[0]])["error"] == outcome.error


def test_stated_figures_alone_are_compared(world: IntakeWorld) -> None:
    assert ingested(world, put(world, control=b'{"rows": 3, "batch": "b-1"}')).error is None


@pytest.mark.parametrize(
    "control",
    [
        b"",
        b'{"rows": 3',
        b"[3]",
        b"{}",
        b'{"rows": 3.0}',
        b'{"rows": true}',
        b'{"rows": -1}',
        b'{"rows": 3, "rows": 4}',
        b'{"rows": NaN}',
        b'{"totals": {"USD": 26.5}}',
        b'{"totals": {"usd": 2650}}',
        b'{"totals": []}',
        b'{"sha256": "abc"}',
        b'{"rows": 3, "signature": "abc"}',
        b"\xff\xfe",
        b'{"rows": 3, "note": "' + b"x" * 70_000 + b'"}',
    ],
)
def test_unreadable_control_file_holds_the_file_until_it_is_replaced(
    world: IntakeWorld, control: bytes
) -> None:
    intake_id = put(world, control=control)

    outcome = ingested(world, intake_id)

    assert outcome.error is not None
    assert "the control file cannot be read" in outcome.error
    assert world.intake_ledger.find(intake_id).status is FileStatus.HELD
    assert held_files(world).with_new_control_file(DEPOSITS) == []
    world.raw_store.replace(f"{KEY}.ctl.json", control_content(figures()))
    assert [f.intake_id for f in held_files(world).with_new_control_file(DEPOSITS)] == [intake_id]
    assert ingested(world, intake_id).accepted == 3


def test_demanded_control_file_is_awaited_and_then_checked(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.REQUIRED)
    notifier, intake_id = FakeNotifier(), put(world)

    first = ingested(world, intake_id)

    assert first.error is not None
    assert "its control file has not arrived" in first.error
    assert_nothing_credited(world)
    assert held_files(world).report(notifier) == []
    world.clock.advance(minutes=61)
    assert len(held_files(world).report(notifier)) == 1
    held_files(world).report(notifier)
    assert [subject for subject, _, _ in notifier.alarms] == [
        "Intake file 1 waits for its control file"
    ]
    world.raw_store.replace(f"{KEY}.ctl.json", control_content(figures(row_count=2)))
    refused = ingested(world, intake_id)
    assert refused.error is not None
    assert "2 rows are stated and 3 were read" in refused.error
    assert_nothing_credited(world)


def test_every_held_file_has_its_turn_to_be_resumed(
    world: IntakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    demand(world, ControlPolicy.REQUIRED)
    monkeypatch.setattr("cardops.services.intake.held_files.POLLED_FILES", 1)
    keys = [f"incoming/deposits/default/{number}.csv" for number in range(3)]
    for key in keys:
        world.raw_store.replace(key, CONTENT.encode())
        ingested(world, world.claim(key))
        world.raw_store.replace(f"{key}.ctl.json", control_content(figures()))

    found = set()
    for _ in keys:
        world.clock.advance(seconds=1)
        found |= {file.arrival.key for file in held_files(world).with_new_control_file(DEPOSITS)}

    assert found == set(keys)


@pytest.mark.parametrize("name", ["BANK.CSV", "BANK.CSV.GZ", "bank.csv"])
def test_control_file_in_capitals_is_found_before_and_after_its_file(
    world: IntakeWorld, name: str
) -> None:
    demand(world, ControlPolicy.REQUIRED)
    body = gzip.compress(CONTENT.encode()) if name.endswith("GZ") else CONTENT.encode()
    stated = control_content(figures(sha256=hashlib.sha256(body).hexdigest()))
    for folder in ("first", "last"):
        key = f"incoming/deposits/default/{folder}/{name}"
        world.raw_store.replace(key, body)
        if folder == "first":
            world.raw_store.replace(f"{key}.CTL.JSON", stated)
        intake_id = world.claim(key)
        outcome = ingested(world, intake_id)
        if folder == "last":
            assert "its control file has not arrived" in str(outcome.error)
            assert held_files(world).with_new_control_file(DEPOSITS) == []
            world.raw_store.replace(f"{key}.CTL.JSON", stated)
            (resumed,) = held_files(world).with_new_control_file(DEPOSITS)
            outcome = ingested(world, resumed.intake_id)
        assert (outcome.read, outcome.error) == (3, None)


def test_name_that_is_nearly_a_control_file_is_refused_as_such() -> None:
    place = place_of("incoming/deposits/default/bank.csv.Ctl.Json", DEPOSITS, {"default"})

    assert "Rename its ending to .ctl.json" in str(place.error)


def test_demanded_control_file_states_every_figure(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.REQUIRED)

    outcome = ingested(world, put(world, control=b'{"rows": 3}'))

    assert outcome.error is not None
    assert "it does not state totals and sha256" in outcome.error


def test_file_that_passed_is_not_asked_again(world: IntakeWorld) -> None:
    """Its rows may be applied: a control file that changes later refuses nothing half-way."""
    demand(world, ControlPolicy.REQUIRED)
    intake_id = put(world, control=control_content(figures()))
    assert ingested(world, intake_id).accepted == 3
    world.intake_ledger.mark(intake_id, FileStatus.APPLYING)
    world.raw_store.replace(f"{KEY}.ctl.json", control_content(figures(row_count=9)))

    assert ingested(world, intake_id).error is None


def test_control_file_that_comes_after_the_start_refuses_nothing_half_applied(
    world: IntakeWorld,
) -> None:
    intake_id = put(world)
    ingested(world, intake_id)
    del world.deposit_ledger.events["default", "d3"]
    world.intake_ledger.mark(intake_id, FileStatus.APPLYING)
    world.raw_store.replace(f"{KEY}.ctl.json", control_content(figures(row_count=9)))
    demand(world, ControlPolicy.SIGNED, USD=1)

    assert ingested(world, intake_id).accepted == 3


def test_control_file_of_a_begun_file_refuses_it_while_nothing_is_credited(
    world: IntakeWorld,
) -> None:
    intake_id = put(world)
    world.intake_ledger.mark(intake_id, FileStatus.APPLYING)
    world.raw_store.replace(f"{KEY}.ctl.json", control_content(figures(row_count=9)))

    assert "9 rows are stated and 3 were read" in str(ingested(world, intake_id).error)
    assert_nothing_credited(world)


def test_run_that_died_before_the_check_lets_nothing_through(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.REQUIRED)
    intake_id = put(world)
    world.intake_ledger.mark(intake_id, FileStatus.APPLYING)

    assert "its control file has not arrived" in str(ingested(world, intake_id).error)
    assert_nothing_credited(world)


def test_forged_release_is_held_and_a_real_one_is_not(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.REQUIRED)
    key = "incoming/deposits/default/released/000000000001-0123456789ab.csv"
    world.raw_store.replace(key, CONTENT.encode())
    intake_id = world.claim(key)

    assert ingested(world, intake_id).error is not None
    assert_nothing_credited(world)
    forged = world.intake_ledger.find(intake_id).arrival
    world.source_controls.release(forged.bucket, forged.key, forged.content_sha256)
    assert ingested(world, intake_id).accepted == 3


def test_signed_file_is_applied(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.SIGNED)
    register(world)

    assert ingested(world, put(world, control=signed(figures()))).accepted == 3
    assert world.source_controls.passed[1][1] == "k1"


def test_either_of_two_keys_signs_during_a_rotation(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.SIGNED)
    register(world, "k0", Ed25519PrivateKey.generate())
    register(world)

    assert ingested(world, put(world, control=signed(figures()))).accepted == 3


def tampered(**changes: Any) -> bytes:
    """A control file whose figures were altered after it was signed."""
    return json.dumps({**json.loads(signed(figures())), **changes}).encode()


OTHER = csv_file(HEADER, f"u9,25.00,d1,{AT},USD", f"u2,1.50,d2,{AT},USD", f"u2,500,d3,{AT},JPY")


@pytest.mark.parametrize(
    ("content", "control", "sentence"),
    [
        (CONTENT, control_content(figures()), "is not signed"),
        (CONTENT, tampered(rows=4), "not that of a registered key over these figures"),
        (CONTENT, tampered(totals={"USD": 1}), "not that of a registered key over these figures"),
        (OTHER, tampered(sha256=figures(OTHER).sha256), "not that of a registered key"),
        (OTHER, signed(figures()), "is stated and"),
        (CONTENT, signed(figures(), program="acme"), "not that of a registered key"),
        (CONTENT, signed(figures(), by=Ed25519PrivateKey.generate()), "not that of a registered"),
        (CONTENT, tampered(key_id="k7"), "no key 'k7' is registered"),
    ],
)
def test_file_without_a_valid_signature_is_refused(
    world: IntakeWorld, content: str, control: bytes, sentence: str
) -> None:
    demand(world, ControlPolicy.SIGNED)
    register(world)

    outcome = ingested(world, put(world, content, control))

    assert outcome.error is not None
    assert sentence in outcome.error
    assert_nothing_credited(world)


def test_revoked_key_signs_no_longer(world: IntakeWorld) -> None:
    demand(world, ControlPolicy.SIGNED)
    register(world)
    world.source_controls.revoke_key("default", "k1", "ops")

    outcome = ingested(world, put(world, control=signed(figures())))

    assert outcome.error is not None
    assert "the key k1 that signed it was revoked" in outcome.error
    assert_nothing_credited(world)


def test_wrong_signature_counts_where_none_is_demanded(world: IntakeWorld) -> None:
    register(world)

    assert ingested(world, put(world, control=tampered(key_id="k2"))).error is not None


def test_other_kinds_are_compared_too(world: IntakeWorld) -> None:
    key = "incoming/orders/default/orders.csv"
    content = csv_file("order_id,user_id,amount,currency,status,created_at",
                       f"o1,u1,5.00,USD,paid,{AT}")  # fmt: skip
    world.raw_store.replace(key, content.encode())
    world.raw_store.replace(f"{key}.ctl.json", b'{"rows": 1, "totals": {"USD": 501}}')

    outcome = ingested(world, world.claim(key))

    assert outcome.error is not None
    assert "5.01 USD is stated and 5.00 USD was read" in outcome.error


def test_control_file_that_comes_later_refuses_nothing_that_is_in_the_lake() -> None:
    lake = FailingLake(after={1})
    world = IntakeWorld(lake=lake)
    key = "incoming/orders/default/orders.csv"
    content = csv_file("order_id,user_id,amount,currency,status,created_at",
                       f"o1,u1,5.00,USD,paid,{AT}")  # fmt: skip
    world.raw_store.replace(key, content.encode())
    intake_id = world.claim(key)
    with pytest.raises(OSError, match="killed"):
        ingested(world, intake_id)
    lake.after.clear()
    world.raw_store.replace(f"{key}.ctl.json", b'{"rows": 9}')
    world.intake_ledger.restart(intake_id)

    assert (ingested(world, intake_id).error, world.rows("orders").height) == (None, 1)


CELL = st.sampled_from(
    ["25.00", "0.01", "3", "-5.00", "0", "1e3", "", "1.005", "9007199254740991", "x", "7.5"]
)
ROW = st.tuples(
    st.sampled_from(["u1", "u2", "", "bad id"]),
    CELL,
    st.sampled_from(["d1", "d2", "d3", "*"]),
    st.sampled_from([AT, "yesterday"]),
    st.sampled_from(["USD", "JPY", "", "XXX", "usd"]),
)


def model(content: str) -> tuple[int, Mapping[str, int]]:
    """Row by row: every record counts, and every amount that the scalar parser reads."""
    count, totals = 0, dict[str, int]()
    for row in csv.DictReader(io.StringIO(content)):
        count += 1
        currency = row["currency"] or "USD"
        amount = parse_amount(row["amount"], currency) if currency in {"USD", "JPY"} else None
        if amount is not None and not isinstance(amount, AmountProblem):
            totals[currency] = totals.get(currency, 0) + amount
    return count, totals


@settings(max_examples=12, deadline=None)
@given(st.lists(ROW, max_size=12), st.sampled_from([0, 0, 1]))
def test_figures_are_those_of_a_row_by_row_model(rows: list[tuple[str, ...]], error: int) -> None:
    world = IntakeWorld()
    content = csv_file(HEADER, *(",".join(row) for row in rows))
    count, totals = model(content)
    totals = {**totals, "USD": totals.get("USD", 0) + error}
    stated = figures(content, row_count=count, totals_minor=totals)

    outcome = ingested(world, put(world, content, control_content(stated)))

    assert (outcome.error is None) is (error == 0), outcome.error


def test_signed_bytes_are_one_exact_form() -> None:
    """Partners sign these bytes: they never change (docs/control-files.md)."""
    stated = FileFigures(3, {"USD": 2650, "EUR": 0, "JPY": 500}, "ab" * 32)

    assert signed_bytes("acme", stated) == (
        b'{"form":"cardops-control-file-v1","program":"acme","rows":3,"sha256":"' + b"ab" * 32
        + b'","totals":{"JPY":500,"USD":2650}}'
    )  # fmt: skip
