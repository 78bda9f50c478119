"""Settings: environment variables with the prefix CARDOPS_, read when asked for, never at import.

.env.example documents every field. A wrong value is one sentence (SettingsError), not a traceback.
"""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import unquote

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cardops.rules.authorizations.records import LONGEST_HOLD_SECONDS
from cardops.rules.currencies import EXPONENTS
from cardops.rules.errors import ExplainedError

NOT_IN_HOME: Final = re.compile(r"""[$"`,]""")
Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(ExplainedError, ValueError):
    """A setting is wrong; the message names it and says which values it may have."""


class Settings(BaseSettings):
    """All settings of one instance of Cardops. Another CARDOPS_HOME makes another instance."""

    # An empty variable counts as unset: an empty CARDOPS_HOME would mean the working directory.
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
    iceberg_url: str | None = None
    kms_key: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9:/_-]{1,256}$")] = None
    events_queue_url: str | None = None
    notify_topic_arn: str | None = None
    alarm_escalation_minutes: Annotated[int, Field(ge=4, le=10_080)] = 60
    secrets: str | None = None
    default_currency: str = "USD"
    ui_port: Port | None = None
    authorizer_port: Port | None = None
    sftp_port: Port | None = None
    dbt_docs_port: Port | None = None
    pages_port: Port | None = None
    pages_url: str | None = None
    analyst_ui_port: Port | None = None
    ui_user_header: Annotated[str | None, Field(pattern="^[A-Za-z][A-Za-z0-9-]{0,63}$")] = None
    first_business_date: Annotated[date | None, Field(ge=date(2000, 1, 1))] = None
    allow_loopback_callbacks: bool = False
    authorizer_sends_callbacks: bool = True
    callback_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    callback_log_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    run_history_days: Annotated[int, Field(ge=30, le=3_650)] = 90
    batch_history_days: Annotated[int, Field(ge=90, le=3_650)] = 400
    alarm_history_days: Annotated[int, Field(ge=30, le=3_650)] = 400
    waiting_days: Annotated[int, Field(ge=1, le=365)] = 7
    hold_seconds: Annotated[int, Field(ge=1, le=LONGEST_HOLD_SECONDS)] = 604_800
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
        home = value.expanduser().absolute()
        # PostgreSQL's programs hand the path to a shell, DuckDB splits a list of paths at a comma.
        if found := NOT_IN_HOME.search(str(home)):
            raise ValueError(f"the path {home} has {found[0]!r}, with which no database opens")
        return home

    @field_validator("home", "lake_url")
    @classmethod
    def _without_columns(cls, value: Path | str | None) -> Path | str | None:
        if "=" in unquote(str(value)):
            raise ValueError("the path has '=', which names a column of a Parquet file")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError with one sentence a wrong setting."""
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(_sentences(error)) from None

    def of_copy(self, home: Path, database_url: str) -> Self:
        """The same rules for a copy of this instance; every place is the copy's own.

        The environment is not read again: a store, a queue or a topic that it names is the original's.
        """
        # A setting that is None by default names a place.
        rules = {
            name for name, field in type(self).model_fields.items() if field.default is not None
        }
        kept = self.model_dump(include=rules | {"first_business_date"})
        return type(self).model_construct(**kept | {"home": home, "database_url": database_url})

    def store_url(self, role: str) -> str:
        """URL of the store `raw`, `processed`, `failed`, `lake` or `iceberg`: its setting, else under the home."""
        return getattr(self, f"{role}_url") or (self.home / role).as_uri()

    @property
    def secrets_url(self) -> str:
        """`file:PATH` or `aws:PREFIX`."""
        return self.secrets or f"file:{self.home / 'secrets.json'}"


def _sentences(error: ValidationError) -> str:
    """One sentence for each wrong setting, without the value, which may be a secret."""
    return (
        ". ".join(
            f"CARDOPS_{'_'.join(str(part) for part in problem['loc']).upper()} is not usable: "
            f"{problem['msg'].removeprefix('Value error, ')}; correct it, or unset it to use the default"
            for problem in error.errors(include_url=False, include_input=False)
        )
        + "."
    )
