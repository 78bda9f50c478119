"""The decision table of a delivery: exhaustive, because it is small enough."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.deliveries.recipe import (
    LONGEST_PAUSE_SECONDS,
    RemoteFile,
    RemoteState,
    Step,
    next_step,
    pause_seconds,
    state_after_refusal,
)
from cardops.rules.deliveries.records import DeliveryState

EVERYTHING = [RemoteState(*files) for files in product(RemoteFile, repeat=4)]
ENDS = {Step.DONE, Step.STOP_DIFFERENT, Step.UNCONFIRMED}
SENDING = DeliveryState.SENDING


def after(step: Step, remote: RemoteState) -> RemoteState:
    match step:
        case Step.WRITE_CSV:
            return RemoteState(remote.csv, RemoteFile.MATCHES, remote.control, remote.control_part)
        case Step.WRITE_CONTROL:
            return RemoteState(remote.csv, remote.csv_part, remote.control, RemoteFile.MATCHES)
        case Step.RECORD_INTENT:
            return remote
        case _:
            return remote.after_rename(step)


@pytest.mark.parametrize("is_intended", [False, True])
@pytest.mark.parametrize("remote", EVERYTHING, ids=str)
def test_steps_always_end(remote: RemoteState, *, is_intended: bool) -> None:
    steps = []
    while (step := next_step(remote, is_intended=is_intended)) not in ENDS:
        steps.append(step)
        is_intended = is_intended or step is Step.RECORD_INTENT
        remote = after(step, remote)

    assert len(steps) == len(set(steps)) <= 5


@pytest.mark.parametrize("is_intended", [False, True])
@pytest.mark.parametrize("remote", EVERYTHING, ids=str)
def test_final_name_is_never_overwritten(remote: RemoteState, *, is_intended: bool) -> None:
    step = next_step(remote, is_intended=is_intended)

    assert step is not Step.RENAME_CSV or remote.csv is RemoteFile.ABSENT
    assert step is not Step.RENAME_CONTROL or remote.control is RemoteFile.ABSENT
    if RemoteFile.DIFFERENT in {remote.csv, remote.control}:
        assert step is Step.STOP_DIFFERENT


@pytest.mark.parametrize("remote", EVERYTHING, ids=str)
def test_rename_waits_for_the_recorded_intent(remote: RemoteState) -> None:
    assert next_step(remote, is_intended=False) not in {Step.RENAME_CSV, Step.RENAME_CONTROL}


@pytest.mark.parametrize("is_intended", [False, True])
@pytest.mark.parametrize("remote", EVERYTHING, ids=str)
def test_only_a_matching_temporary_file_is_renamed(
    remote: RemoteState, *, is_intended: bool
) -> None:
    step = next_step(remote, is_intended=is_intended)

    assert step is not Step.RENAME_CSV or remote.csv_part is RemoteFile.MATCHES
    assert step is not Step.RENAME_CONTROL or remote.control_part is RemoteFile.MATCHES


@pytest.mark.parametrize(
    "remote",
    [
        RemoteState(),
        RemoteState(control_part=RemoteFile.MATCHES),
        RemoteState(csv=RemoteFile.MATCHES),
    ],
)
def test_possibly_collected_file_is_not_sent_again(remote: RemoteState) -> None:
    assert next_step(remote, is_intended=True) is Step.UNCONFIRMED


def test_csv_is_renamed_before_its_control_file() -> None:
    uploaded = RemoteState(csv_part=RemoteFile.MATCHES, control_part=RemoteFile.MATCHES)

    assert next_step(uploaded, is_intended=True) is Step.RENAME_CSV
    assert next_step(after(Step.RENAME_CSV, uploaded), is_intended=True) is Step.RENAME_CONTROL


def test_collected_csv_with_control_file_is_done() -> None:
    assert next_step(RemoteState(control=RemoteFile.MATCHES), is_intended=True) is Step.DONE


def test_existing_pair_is_done_without_an_intent() -> None:
    assert (
        next_step(
            RemoteState(csv=RemoteFile.MATCHES, control=RemoteFile.MATCHES), is_intended=False
        )
        is Step.DONE
    )


@pytest.mark.parametrize(
    ("state", "remote", "then"),
    [
        (DeliveryState.MADE, None, DeliveryState.FAILED),
        (SENDING, None, SENDING),
        (SENDING, RemoteState(), SENDING),
        (SENDING, RemoteState(csv=RemoteFile.MATCHES, control_part=RemoteFile.MATCHES), SENDING),
        (SENDING, RemoteState(csv_part=RemoteFile.MATCHES), DeliveryState.FAILED),
    ],
)
def test_intent_is_withdrawn_only_where_nothing_was_renamed(
    state: DeliveryState, remote: RemoteState | None, then: DeliveryState
) -> None:
    assert state_after_refusal(state, remote) is then


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_within_bounds(attempt: int, chance: float) -> None:
    pause = pause_seconds(attempt, chance)

    assert 0 < pause <= LONGEST_PAUSE_SECONDS
    assert pause_seconds(attempt + 1, chance) >= pause
