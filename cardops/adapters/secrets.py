"""Secrets: a file of mode 0600, or AWS Secrets Manager. Neither ever shows a value in an error."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cardops.adapters.aws.clients import AwsClients, BotoClients
from cardops.adapters.aws.environment import configured_region
from cardops.adapters.file_locks import exclusive_lock
from cardops.ports import SecretStore
from cardops.rules.errors import ExplainedError
from cardops.settings import Settings, SettingsError


class SecretUnreadableError(ExplainedError, RuntimeError):
    """Secrets cannot be read or written; the message says where and what to fix."""


class FileSecretStore:
    """All secrets in one JSON file, replaced as a whole, which only its owner may read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> Mapping[str, object] | None:
        """The secret, or None."""
        return self._read().get(name)

    def put(self, name: str, value: Mapping[str, object]) -> None:
        """Create or replace it. Concurrent writers of other secrets lose nothing."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(Path(f"{self._path}.lock")):
                self._replace({**self._read(), name: dict(value)})
        except OSError as error:
            raise SecretUnreadableError(
                f"Secrets cannot be written to {self._path}: {error.strerror}."
            ) from None

    def names(self, prefix: str) -> Sequence[str]:
        """The names of secrets that begin with it, in order."""
        return sorted(name for name in self._read() if name.startswith(prefix))

    def _read(self) -> dict[str, Mapping[str, object]]:
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SecretUnreadableError(
                f"Secrets cannot be read from {self._path}: {error.strerror}."
            ) from None
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise SecretUnreadableError(
                f"{self._path} is not a JSON object; restore it from a backup or remove it."
            )
        return content

    def _replace(self, content: Mapping[str, object]) -> None:
        # mkstemp makes it 0600 from the first byte on.
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".secrets-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


class AwsSecretStore:
    """Secrets named `<prefix>/<name>` in AWS Secrets Manager."""

    def __init__(self, prefix: str, aws: AwsClients | None = None) -> None:
        # Imported where it is used: it costs a third of a second, and most instances use a file.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        self._prefix = prefix.strip("/")
        self._failures = (BotoCoreError, ClientError)
        try:
            self._client: Any = (aws or BotoClients()).secrets_manager(configured_region())
        except self._failures as error:
            raise _unreadable(self._prefix, error) from None

    def get(self, name: str) -> Mapping[str, object] | None:
        """The secret's present version, or None."""
        try:
            found = self._client.get_secret_value(SecretId=self._id(name))
            content = json.loads(found["SecretString"])
        except self._client.exceptions.ResourceNotFoundException:
            return None
        except (*self._failures, ValueError, KeyError) as error:
            raise _unreadable(self._id(name), error) from None
        if not isinstance(content, dict):
            raise SecretUnreadableError(f"The secret {self._id(name)} is not a JSON object.")
        return content

    def put(self, name: str, value: Mapping[str, object]) -> None:
        """Create it, or put a new version."""
        text = json.dumps(dict(value))
        try:
            try:
                self._client.put_secret_value(SecretId=self._id(name), SecretString=text)
            except self._client.exceptions.ResourceNotFoundException:
                self._client.create_secret(Name=self._id(name), SecretString=text)
        except self._failures as error:
            raise _unreadable(self._id(name), error) from None

    def names(self, prefix: str) -> Sequence[str]:
        """The names of secrets that begin with it; the account must be allowed to list secrets."""
        start = self._id(prefix)
        try:
            pages = self._client.get_paginator("list_secrets").paginate(
                Filters=[{"Key": "name", "Values": [start]}]
            )
            found = [secret["Name"] for page in pages for secret in page["SecretList"]]
        except self._failures as error:
            raise _unreadable(f"{start}*", error) from None
        own = len(self._id("")) if self._prefix else 0
        return sorted(name[own:] for name in found if name.startswith(start))

    def _id(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name


def secret_store(settings: Settings, aws: AwsClients | None = None) -> SecretStore:
    """The store that CARDOPS_SECRETS names. Raises SettingsError, SecretUnreadableError."""
    kind, _, location = settings.secrets_url.partition(":")
    if kind == "file" and location:
        return FileSecretStore(Path(location.removeprefix("//")).expanduser())
    if kind == "aws":
        return AwsSecretStore(location, aws)
    raise SettingsError("CARDOPS_SECRETS is not usable: it must be file:PATH or aws:PREFIX")


def _unreadable(name: str, error: Exception) -> SecretUnreadableError:
    return SecretUnreadableError(
        f"Secrets Manager did not return {name!r} ({type(error).__name__}); check region, "
        "credentials and permissions."
    )
