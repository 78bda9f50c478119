"""Deliver one chargeback file to its card company, or those of several at once.

Belongs here: how often a file is tried, when a card company is left alone, and alarms. What happens in
one session is in cardops.services.deliveries.session. The asset and `cardops deliveries retry` both
call this.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Final

from cardops.ports import (
    Breakers,
    Clock,
    DeliveryLedger,
    Destinations,
    Notifier,
    ObjectStore,
)
from cardops.rules.deliveries.breakers import Breaker, BreakerState
from cardops.rules.deliveries.recipe import MAX_ATTEMPTS, pause_seconds, state_after_refusal
from cardops.rules.deliveries.records import (
    UNDELIVERED,
    ChargebackFileRecord,
    DeliveryState,
    OperatorWord,
    PermanentDeliveryError,
    TransientDeliveryError,
    state_for_retry,
)
from cardops.rules.deliveries.troubles import OF_ALL_FILES, REFUSED_SESSIONS, RUNBOOK
from cardops.services.deliveries.paused_alarms import (
    PausedAlarms,
    failures,
    incident_of_destination,
    incident_of_file,
)
from cardops.services.deliveries.session import DeliverySession, Report, SessionPorts

_RANDOM: Final = SystemRandom()
_SUBJECTS: Final = {
    DeliveryState.FAILED: "Chargeback file {file} cannot be delivered to {name}",
    DeliveryState.DELIVERED_UNCONFIRMED: "It is not sure that {name} has chargeback file {file}",
}


def _say_nothing(_: str) -> None:
    """The report of who does not want one."""


@dataclass(frozen=True, slots=True)
class DeliveryService:
    """Delivers chargeback files; everything it needs is a port. `report` gets progress, in lines."""

    processed_store: ObjectStore
    ledger: DeliveryLedger
    destinations: Destinations
    notifier: Notifier
    breakers: Breakers
    clock: Clock
    sleep: Callable[[float], None] = time.sleep
    report: Report = _say_nothing

    def deliver(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        """Deliver one file and return its record; None where the batch has no such file.

        A file that is delivered, unconfirmed or failed is left as it is: the last two wait for
        an operator's word. Safe to kill at any moment and call again.
        """
        with self.ledger.exclusively(batch_id, network) as record:
            if record is None or record.state not in UNDELIVERED:
                return record
            waiting = self._left_alone(record.destination)
            if waiting is not None:
                self.report(waiting)
                return self._store(replace(record, last_error=waiting))
            return self._deliver_with_retries(record)

    def retry(
        self, batch_id: str, network: str, word: OperatorWord | None, said_by: str
    ) -> ChargebackFileRecord | None:
        """Deliver once more on an operator's word, also to a card company that is left alone.

        Who gave the word is recorded before anything is sent.
        None where there is no such file. Raises OperatorWordNeededError where only a person can say
        what became of it.
        """
        with self.ledger.exclusively(batch_id, network) as record:
            if record is None:
                return None
            state = state_for_retry(record.state, word)
            self.ledger.record_word(batch_id, network, word, said_by)
            current = record
            if state is not record.state:
                current = self._store(replace(record, state=state, last_error=None))
            return self._deliver_with_retries(current) if state in UNDELIVERED else current

    def alarm(
        self, record: ChargebackFileRecord, error: str, incident: str | None = None
    ) -> ChargebackFileRecord:
        """Store the error with the record, and raise an alarm: of the file, or of the incident named."""
        self.notifier.notify(
            _SUBJECTS.get(record.state, "Chargeback file {file} is not delivered to {name}").format(
                file=record.file_name, name=record.destination
            ),
            error,
            runbook=RUNBOOK,
            incident=incident or incident_of_file(record),
        )
        return self._store(replace(record, last_error=error))

    def _left_alone(self, destination: str) -> str | None:
        """Why nothing is sent to the destination now; None where this delivery may try."""
        if self.breakers.find(destination).is_closed:
            return None
        now = self.clock.now()

        def let_one_try(breaker: Breaker) -> Breaker:
            is_over = breaker.state(now) is BreakerState.HALF_OPEN
            return breaker.on_trial(now) if is_over else breaker

        before, _ = self.breakers.change(destination, let_one_try)
        self._alarms().raise_due(now)
        if before.retry_at is None or before.state(now) is not BreakerState.OPEN:
            return None
        why = "its session was refused" if before.refused_at else failures(before)
        return (
            f"{destination} is left alone until {_second(before)} after {why}: {before.last_error}"
        )

    def _deliver_with_retries(self, record: ChargebackFileRecord) -> ChargebackFileRecord:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            record = replace(record, attempt_count=record.attempt_count + 1)
            record, error = self._attempt(record)
            if error is None:
                break
            breaker = self._fail(record, error)
            if not breaker.is_closed:
                break
            if attempt == MAX_ATTEMPTS:
                # Others reach the destination: it is this file that cannot be delivered.
                return self.alarm(record, error)
            pause = pause_seconds(attempt, _RANDOM.random())
            self.report(f"{error} Attempt {attempt + 1} of {MAX_ATTEMPTS} in {pause:.1f} s.")
            self.sleep(pause)
        return record

    def _attempt(self, record: ChargebackFileRecord) -> tuple[ChargebackFileRecord, str | None]:
        """The record after one session, and the error after which another may succeed."""
        session = DeliverySession(record, self._ports())
        try:
            session.run()
        except PermanentDeliveryError as error:
            state = state_after_refusal(session.record.state, session.remote_state)
            explained = error.explained(record.destination)
            self.report(explained)
            failed = replace(session.record, state=state)
            if error.trouble in OF_ALL_FILES:
                is_of_session = error.trouble in REFUSED_SESSIONS
                return self._leave_alone(failed, explained, is_of_session=is_of_session), None
            return self.alarm(failed, explained), None
        except TransientDeliveryError as error:
            explained = error.explained(record.destination)
            return self._store(replace(session.record, last_error=explained)), explained
        self._succeed(session.record)
        if session.record.state is DeliveryState.DELIVERED_UNCONFIRMED:
            return self.alarm(session.record, str(session.record.last_error)), None
        return session.record, None

    def _fail(self, record: ChargebackFileRecord, error: str) -> Breaker:
        """Count the failure; one alarm where the destination is left alone from now on."""
        now, chance = self.clock.now(), _RANDOM.random()
        before, after = self.breakers.change(
            record.destination, lambda breaker: breaker.after_failure(now, error, chance)
        )
        if after.retry_at is not None:
            self.report(f"{error} {_paused(record.destination, after)}")
        if before.is_closed and not after.is_closed:
            self._alarms().raise_alarm(record.destination, after)
        return after

    def _leave_alone(
        self, record: ChargebackFileRecord, error: str, *, is_of_session: bool
    ) -> ChargebackFileRecord:
        """No other file tries the same, with an alarm each: a card company locks the account."""
        now = self.clock.now()

        def refuse(breaker: Breaker) -> Breaker:
            # guard-begin: one-refused-login
            return breaker.after_refusal(now, error, is_of_session=is_of_session)
            # guard-end: one-refused-login

        _, after = self.breakers.change(record.destination, refuse)
        self.report(_paused(record.destination, after))
        failed = self.alarm(record, error, incident_of_destination(record.destination))
        self._alarms().raised(record.destination, after)
        return failed

    def _alarms(self) -> PausedAlarms:
        return PausedAlarms(self.breakers, self.notifier)

    def _succeed(self, record: ChargebackFileRecord) -> None:
        destination = record.destination
        if self.breakers.find(destination).failure_count:
            now = self.clock.now()
            self.breakers.change(destination, lambda breaker: breaker.after_success(now))
        delivered = f"Chargeback file {record.file_name} was delivered to {destination}."
        self.notifier.resolve(incident_of_destination(destination), delivered)
        if record.state is DeliveryState.DELIVERED:
            self.notifier.resolve(incident_of_file(record), delivered)

    def _store(self, record: ChargebackFileRecord) -> ChargebackFileRecord:
        self.ledger.record(record)
        return record

    def _ports(self) -> SessionPorts:
        return SessionPorts(
            self.processed_store, self.ledger, self.destinations, self.clock, self.report
        )


def _paused(destination: str, breaker: Breaker) -> str:
    return f"Nothing more is sent to {destination} until {_second(breaker)}."


def _second(breaker: Breaker) -> str:
    return f"{breaker.retry_at:%Y-%m-%d %H:%M:%S} UTC"
