"""AWS clients made with boto3, for processes without Dagster (whose own are in resources.aws).

boto3 is imported when a client is asked for: it costs a third of a second, and an instance whose
files and secrets are on disk never needs it. boto3 itself honours AWS_ENDPOINT_URL.
"""

from typing import Any, Protocol

from typing_extensions import override


class AwsClients(Protocol):
    """Makes boto3 clients. Without a region the profile of the AWS tools decides."""

    def s3(self, region: str | None) -> Any:
        """For listing buckets."""

    def secrets_manager(self, region: str | None) -> Any:
        """For secrets."""

    def sns(self, region: str | None) -> Any:
        """For alarms."""

    def sqs(self, region: str | None) -> Any:
        """For events of arrivals."""


class BotoClients(AwsClients):
    """Clients with boto3's own credentials: environment, profile, role."""

    @override
    def s3(self, region: str | None) -> Any:
        import boto3  # noqa: PLC0415 - see above

        return boto3.client("s3", region_name=region)

    @override
    def secrets_manager(self, region: str | None) -> Any:
        import boto3  # noqa: PLC0415 - see above

        return boto3.client("secretsmanager", region_name=region)

    @override
    def sns(self, region: str | None) -> Any:
        import boto3  # noqa: PLC0415 - see above

        return boto3.client("sns", region_name=region)

    @override
    def sqs(self, region: str | None) -> Any:
        import boto3  # noqa: PLC0415 - see above

        return boto3.client("sqs", region_name=region)
