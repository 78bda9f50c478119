"""Why a queue cannot be read, and what an operator does about it."""

from typing import Final

from botocore.exceptions import ClientError, NoCredentialsError

from cardops.rules.errors import ExplainedError

_ADVICE: Final = {
    "AccessDenied": "allow sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and "
    "sqs:GetQueueAttributes on it to the role of Cardops",
    "QueueDoesNotExist": "create the queue, or correct CARDOPS_EVENTS_QUEUE_URL and the region",
    "KmsAccessDenied": "allow kms:Decrypt on the queue's key to the role of Cardops",
    "ExpiredToken": "renew the credentials of Cardops, which AWS does not know (any more)",
    "RequestThrottled": "nothing, if it ends by itself; else ask AWS for a higher limit",
}
_SAME: Final = {
    "AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist",
    "AccessDeniedException": "AccessDenied",
    "KMS.AccessDeniedException": "KmsAccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "InvalidClientTokenId": "ExpiredToken",
    "InvalidSignatureException": "ExpiredToken",
    "SignatureDoesNotMatch": "ExpiredToken",
    "UnrecognizedClientException": "ExpiredToken",
    "Throttling": "RequestThrottled",
    "ThrottlingException": "RequestThrottled",
    "KmsThrottled": "RequestThrottled",
}


class ArrivalQueueError(ExplainedError):
    """The queue cannot be read; the message says why, and what to do."""

    def __init__(self, queue_url: str, error: Exception) -> None:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        cause = "ExpiredToken" if isinstance(error, NoCredentialsError) else _SAME.get(code, code)
        advice = _ADVICE.get(cause, "check the network, the endpoint and the region")
        super().__init__(
            f"The queue of arrivals {queue_url} cannot be read ({code or error}), so new files are "
            f"found by listing, later than usual: {advice}."
        )


class UnfitQueueError(ExplainedError):
    """The queue can be read, but is not set up as it should be."""

    def __init__(self, queue_url: str) -> None:
        super().__init__(
            f"{queue_url} has no dead-letter queue, so a message that cannot be read comes again "
            "until it is too old; give the queue a redrive policy."
        )


def unreadable_message(message_id: str, queue_url: str, why: str) -> str:
    """What an alarm says of it."""
    return (
        f"Message {message_id} of {queue_url} is no event of a bucket: {why}. It is left for the "
        "dead-letter queue; if a file belongs to it, the next listing finds it."
    )
