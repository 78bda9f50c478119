"""AWS clients from `dagster_aws`: S3 for listing arrivals, Secrets Manager, SNS for alarms, SQS for events.

A resource of `dagster_aws` is made when its client is first needed: importing `dagster_aws.s3`
costs a second, and an instance whose files and secrets are on disk never needs it. Credentials and
AWS_ENDPOINT_URL are boto3's own.
"""

from typing import Any


class DagsterAwsClients:
    """The clients that cardops.bootstrap.Adapters hands to its adapters in assets and sensors."""

    def s3(self, region: str | None) -> Any:
        """For listing buckets."""
        from dagster_aws.s3 import S3Resource  # noqa: PLC0415 - see above

        return S3Resource(region_name=region).get_client()

    def secrets_manager(self, region: str | None) -> Any:
        """For secrets."""
        from dagster_aws.secretsmanager import SecretsManagerResource  # noqa: PLC0415 - see above

        return SecretsManagerResource(region_name=region).get_client()

    def sns(self, region: str | None) -> Any:
        """For alarms. `dagster_aws` has no resource for SNS, so boto3 makes this client."""
        import boto3  # noqa: PLC0415 - see above

        return boto3.client("sns", region_name=region)

    def sqs(self, region: str | None) -> Any:
        """For events of arrivals. `dagster_aws` has no resource for SQS either."""
        import boto3  # noqa: PLC0415 - see above

        return boto3.client("sqs", region_name=region)
