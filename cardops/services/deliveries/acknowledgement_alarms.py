"""What operators are told about acknowledgements: a subject and a sentence for each."""

from datetime import timedelta

from cardops.rules.deliveries.acknowledgements import (
    AcknowledgementOutcome,
    StoredAcknowledgement,
)
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState


def alarm_of(stored: StoredAcknowledgement) -> tuple[str, str]:
    """Subject and message of an acknowledgement that needs somebody's attention."""
    name, destination = stored.file.file_name, stored.file.destination
    if stored.outcome is not AcknowledgementOutcome.MATCHED:
        return (
            f"Acknowledgement {name} of {destination} is {stored.outcome.value}",
            (
                f"It changes nothing: {stored.problem}. It is kept in the archive; ask {destination} "
                "which of its files it means."
            ),
        )
    if not stored.rejected_count:
        return (
            f"Acknowledgement {name} of {destination} came late",
            (
                f"It came after the time that was agreed on; all {stored.accepted_count} rows were "
                "accepted. If this goes on, talk to the card company or allow it more time."
            ),
        )
    late = " It came after the time that was agreed on." if stored.is_late else ""
    again = (
        f"Rows that were not rejected before are sent once more, in batch {stored.reopened_to}."
        if stored.reopened_to
        else "They wait: `cardops deliveries waiting` lists them."
    )
    return (
        f"{destination} rejected {stored.rejected_count} rows of a chargeback file",
        (
            f"{name} rejects {stored.rejected_count} rows of batch {stored.batch_id} and accepts "
            f"{stored.accepted_count}.{late} {again} Their deadlines run; see the reasons with "
            "`cardops deliveries acknowledgements --rejected`."
        ),
    )


def missing_alarm(record: ChargebackFileRecord, within: timedelta) -> tuple[str, str]:
    """Subject and message of a chargeback file that no acknowledgement came of."""
    hours = int(within.total_seconds()) // 3600
    may_be = (
        " It is not sure that the file arrived at all."
        if record.state is DeliveryState.DELIVERED_UNCONFIRMED
        else ""
    )
    return (
        f"No acknowledgement of chargeback file {record.file_name}",
        (
            f"{record.destination} wrote none within {hours} hours.{may_be} Its {record.row_count} rows "
            "may not be processed there while their deadlines run: ask the card company whether it has "
            f"sequence {record.sequence}."
        ),
    )
