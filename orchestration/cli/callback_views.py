"""How commands show callbacks, attempts and endpoints; bodies are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardops.rules.authorizations.decisions import instant_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl

    from cardops.rules.callbacks.callbacks import Callback, CallbackAttempt
    from cardops.rules.callbacks.endpoints import Endpoint


def callback_view(
    callback: Callback, attempts: Sequence[CallbackAttempt] | None = None
) -> dict[str, object]:
    """A callback for `--json`, with its delivery log if `attempts` is given."""
    view: dict[str, object] = {
        "id": callback.callback_id,
        "program": callback.program,
        "transaction_id": callback.transaction_id,
        "request_id": callback.request_id,
        "url": callback.url,
        "status": callback.state.value,
        "attempts": callback.attempt_count,
        "created_at": instant_text(callback.created_at),
        "next_attempt_at": instant_text(callback.next_attempt_at),
        "last_status_code": callback.last_status_code,
        "last_error": callback.last_error,
    }
    if attempts is not None:
        view["log"] = [attempt_view(attempt) for attempt in attempts]
    return view


def archived_view(rows: pl.LazyFrame, callback_id: str) -> dict[str, object] | None:
    """An archived callback for `--json`, from its day's rows; None where it is not among them."""
    import polars as pl  # noqa: PLC0415 - a tenth of a second, and only an archived callback needs it

    found = rows.filter(pl.col("callback_id") == callback_id).sort("ended_at").collect().to_dicts()
    if not found:
        return None
    row = found[-1]
    return {
        "id": callback_id,
        "program": row["program"],
        "transaction_id": row["transaction_id"],
        "request_id": row["request_id"],
        "endpoint": row["endpoint"],
        "status": "archived",
        "attempts": row["attempt_count"],
        "created_at": instant_text(row["created_at"]),
        "ended_at": instant_text(row["ended_at"]),
        "last_status_code": row["last_status_code"],
        "body_sha256": row["body_sha256"],
    }


def attempt_view(attempt: CallbackAttempt) -> dict[str, object]:
    """One attempt for `--json`."""
    return {
        "attempt": attempt.attempt_count,
        "started_at": instant_text(attempt.started_at),
        "duration_milliseconds": attempt.duration_milliseconds,
        "status_code": attempt.status_code,
        "error": attempt.error,
    }


def endpoint_view(endpoint: Endpoint) -> dict[str, object]:
    """An endpoint for `--json`."""
    return {
        "program": endpoint.program,
        "endpoint": endpoint.endpoint,
        "failing_since": instant_text(endpoint.failing_since),
        "last_failed_at": instant_text(endpoint.last_failed_at),
        "failures": endpoint.failure_count,
        "last_status_code": endpoint.last_status_code,
        "last_error": endpoint.last_error,
        "disabled_at": _text(endpoint.disabled_at),
        "disabled_because": endpoint.disabled_because,
    }


def callback_line(callback: Callback) -> str:
    """A callback on one line."""
    return (
        f"{callback.callback_id}  {callback.program}  {callback.transaction_id}  "
        f"{callback.state}  {callback.attempt_count} attempts  {callback.last_error or ''}".rstrip()
    )


def attempt_line(attempt: CallbackAttempt) -> str:
    """An attempt on one line, indented below its callback."""
    status = attempt.status_code or "no response"
    return (
        f"    {instant_text(attempt.started_at)}  attempt {attempt.attempt_count}  "
        f"{attempt.duration_milliseconds} ms  {status}  {attempt.error or ''}".rstrip()
    )


def endpoint_line(endpoint: Endpoint) -> str:
    """An endpoint on one line."""
    state = f"disabled {_text(endpoint.disabled_at)}" if endpoint.disabled_at else "failing"
    return (
        f"{endpoint.program}  {endpoint.endpoint}  {state}  {endpoint.failure_count} failures "
        f"since {instant_text(endpoint.failing_since)}  {endpoint.last_error or ''}".rstrip()
    )


def _text(at: datetime | None) -> str | None:
    return instant_text(at) if at else None
