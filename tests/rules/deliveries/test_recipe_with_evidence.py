"""The decision table of a delivery with evidence: every state, and every way a partner may collect."""

from dataclasses import replace
from itertools import product

from cardops.rules.deliveries.recipe import (
    RemoteFile,
    RemoteState,
    Step,
    next_step,
    state_after_refusal,
)
from cardops.rules.deliveries.records import DeliveryState

ABSENT, MATCHES = RemoteFile.ABSENT, RemoteFile.MATCHES
EVERYTHING = [RemoteState(*files) for files in product(RemoteFile, repeat=6)]
ENDS = {Step.DONE, Step.STOP_DIFFERENT, Step.UNCONFIRMED}
NEW = RemoteState(evidence=ABSENT)
RENAMES = {
    Step.RENAME_EVIDENCE: "evidence",
    Step.RENAME_CSV: "csv",
    Step.RENAME_CONTROL: "control",
}
WRITES = {Step.WRITE_EVIDENCE: "evidence", Step.WRITE_CSV: "csv", Step.WRITE_CONTROL: "control"}


def after(step: Step, remote: RemoteState) -> RemoteState:
    if step in RENAMES:
        return remote.after_rename(step)
    if step in WRITES:
        return replace(remote, **{f"{WRITES[step]}_part": MATCHES})  # type: ignore[arg-type]
    return remote


def test_steps_end_and_overwrite_nothing_from_every_state() -> None:
    for start, intended in product(EVERYTHING, (False, True)):
        remote, is_intended, steps = start, intended, list[Step]()
        while (step := next_step(remote, is_intended=is_intended)) not in ENDS:
            steps.append(step)
            if step in RENAMES:
                name = RENAMES[step]
                assert is_intended, (start, steps)
                assert getattr(remote, name) is ABSENT, (start, steps)
                assert getattr(remote, f"{name}_part") is MATCHES, (start, steps)
            is_intended = is_intended or step is Step.RECORD_INTENT
            remote = after(step, remote)
        assert len(steps) == len(set(steps)) <= 7, (start, steps)
        if RemoteFile.DIFFERENT in {start.csv, start.control, start.evidence}:
            assert step is Step.STOP_DIFFERENT


def test_no_file_is_sent_twice_however_a_partner_collects() -> None:
    """From a new delivery, through every order of steps, collections and repeats after a crash."""
    first = (NEW, False, ())
    found, waiting = {first}, [first]
    while waiting:
        remote, is_intended, sent = waiting.pop()
        step = next_step(remote, is_intended=is_intended)
        if step is Step.DONE:
            assert sorted(sent) == ["control", "csv", "evidence"]
        followers = [
            (replace(remote, **{name: ABSENT}), is_intended, sent)  # type: ignore[arg-type]
            for name in RENAMES.values()
            if getattr(remote, name) is MATCHES
        ]
        if step in RENAMES:
            name = RENAMES[step]
            assert name not in sent, "sent twice"
            assert name != "csv" or "evidence" in sent
            assert name != "control" or "csv" in sent
            followers.append((after(step, remote), is_intended, (*sent, name)))
        elif step not in ENDS:
            is_recorded = is_intended or step is Step.RECORD_INTENT
            followers.append((after(step, remote), is_recorded, sent))
        new = set(followers) - found
        found |= new
        waiting += new
    assert len(found) >= 19, "too few states to prove anything"


def test_intent_is_withdrawn_only_while_the_evidence_was_not_renamed() -> None:
    written = replace(NEW, csv_part=MATCHES, evidence_part=MATCHES, control_part=MATCHES)
    renamed = after(Step.RENAME_EVIDENCE, written)

    assert state_after_refusal(DeliveryState.SENDING, written) is DeliveryState.FAILED
    for remote in (renamed, replace(renamed, evidence=ABSENT)):
        assert state_after_refusal(DeliveryState.SENDING, remote) is DeliveryState.SENDING
