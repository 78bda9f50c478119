"""Settings: environment variables with the prefix CARDOPS_, read when asked for, never at import.

Every field is told in .env.example. A wrong value is one sentence (SettingsError), not a trace.
"""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cardops.rules.currencies import EXPONENTS

Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(ValueError):
    """A setting is wrong; the message names it and says what it may be."""


class Settings(BaseSettings):
    """Everything an instance of Cardops can be told. CARDOPS_HOME alone isolates one."""

    # Empty is unset: an empty CARDOPS_HOME would make an instance of the working directory.
    model_config = SettingsConfigDict(
        env_prefix="CARDOPS_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    home: Path = Path(".cardops")
    database_url: str | None = None
    postgres_bin: Path | None = None
    raw_url: str | None = None
    processed_url: str | None = None
    failed_url: str | None = None
    lake_url: str | None = None
    events_queue_url: str | None = None
    notify_topic_arn: str | None = None
    secrets: str | None = None
    default_currency: str = "USD"
    ui_port: Port | None = None
    authorizer_port: Port | None = None
    sftp_port: Port | None = None
    allow_loopback_callbacks: bool = False
    authorizer_sends_callbacks: bool = True
    callback_log_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    hold_seconds: Annotated[int, Field(ge=1, le=31_536_000)] = 604_800
    key_requests_per_second: Annotated[float, Field(ge=0.01, le=1_000_000)] = 20_000

    @field_validator("default_currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in EXPONENTS:
            raise ValueError("must be an upper-case ISO 4217 code such as USD")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql_url(cls, value: str | None) -> str | None:
        if value and not re.match(r"postgres(ql)?://", value):
            raise ValueError("must begin with postgresql://")
        return value or None

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError with one sentence a wrong setting."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(_sentences(error)) from None

    def store_url(self, role: str) -> str:
        """Where `raw`, `processed`, `failed` or `lake` is: its own URL, else under the home."""
        return getattr(self, f"{role}_url") or (self.home / role).as_uri()

    @property
    def secrets_url(self) -> str:
        """`file:PATH` or `aws:PREFIX`."""
        return self.secrets or f"file:{self.home / 'secrets.json'}"


def _sentences(error: ValidationError) -> str:
    """One sentence a wrong setting; the value itself is left out, it may be a secret."""
    return (
        ". ".join(
            f"CARDOPS_{'_'.join(str(part) for part in problem['loc']).upper()} is not usable: "
            f"{problem['msg'].removeprefix('Value error, ')}; set it right, or leave it out for its default"
            for problem in error.errors(include_url=False, include_input=False)
        )
        + "."
    )
