"""What a published version of a contract promised is kept, and a change that breaks it is noticed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pandera.polars as pa
import polars as pl
import pyarrow.parquet as pq
import pytest

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.kinds import orders
from cardops.contracts.kinds.contract import (
    amount_field,
    currency_field,
    id_field,
    instant_field,
    status_field,
    text_field,
)
from cardops.contracts.kinds.profile import Judgement, KindProfile
from cardops.contracts.kinds.registry import KINDS
from cardops.contracts.published.compatibility import breaking_changes
from cardops.contracts.published.json_schema import schema_of
from cardops.contracts.published.publishing import (
    FOLDER,
    VersionNotRaisedError,
    broken_promises,
    publish,
    published_path,
    schema_text,
)
from cardops.rules.intake.files import Kind, RowReason
from tests.factories.intake_environment import IntakeWorld

PUBLISH = "run: python -m cardops.contracts.published.publishing"
EVERY_KIND = pytest.mark.parametrize("profile", KINDS.values(), ids=list(KINDS))
SAMPLES = sorted(path for path in FOLDER.rglob("v*") if path.suffix in {".csv", ".ndjson"})
ORDERS = orders.ORDERS


@EVERY_KIND
def test_published_schema_is_that_of_the_contract(profile: KindProfile) -> None:
    assert broken_promises(profile) == [], "raise the contract's version"

    assert published_path(profile).exists(), PUBLISH
    assert published_path(profile).read_text() == schema_text(schema_of(profile)), PUBLISH


@EVERY_KIND
def test_every_version_up_to_the_current_one_is_published(profile: KindProfile) -> None:
    folder = published_path(profile).parent

    versions = {f"v{number}" for number in range(1, profile.contract.version + 1)}
    for extension in ("json", "csv", "ndjson"):
        assert {path.stem for path in folder.glob(f"*.{extension}")} == versions


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_file_that_was_valid_under_a_version_is_accepted_whole(path: Path) -> None:
    kind = path.parent.name
    old = json.loads(path.with_suffix(".json").read_text())
    profile = KINDS[Kind(kind)]
    if breaking_changes(old, schema_of(profile)):
        # A later version says that it accepts less.
        assert path.stem != f"v{profile.contract.version}"
        return

    outcome = IntakeWorld().submit(kind, path.read_bytes(), name=path.name)

    assert (outcome.error, outcome.reasons, outcome.unknown_columns) == (None, {}, ())
    assert outcome.read == outcome.accepted > 0


@pytest.mark.parametrize(
    "path",
    [path for path in SAMPLES if path.suffix == ".ndjson"],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_published_schema_accepts_its_samples(path: Path) -> None:
    schema = json.loads(path.with_suffix(".json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    for line in path.read_text().splitlines():
        validator.validate(json.loads(line))


def test_every_kind_has_samples() -> None:
    assert {path.parent.name for path in SAMPLES} == set(KINDS)


def model_with(**columns: Any) -> type[pa.DataFrameModel]:
    """The model of orders with columns of another declaration."""
    annotations = dict.fromkeys(columns, str | None)
    namespace = {"__annotations__": annotations, "__module__": __name__, **columns}
    return type("ChangedOrder", (orders.OrderRow,), namespace)


def with_model(**columns: Any) -> KindProfile:
    return replace(ORDERS, contract=replace(ORDERS.contract, model=model_with(**columns)))


def refusing_more(rows: pl.DataFrame, mode: str | None, routes: Mapping[str, str]) -> Judgement:
    judgement = orders.judge_orders(rows, mode, routes)
    return replace(judgement, reasons={RowReason.UNROUTABLE_NETWORK: pl.lit(value=False)})


def without_alias() -> KindProfile:
    aliases = {name: known for name, known in ORDERS.contract.aliases.items() if name != "status"}
    return replace(ORDERS, contract=replace(ORDERS.contract, aliases=aliases))


TIGHTER: dict[str, tuple[Callable[[], KindProfile], str]] = {
    "required": (
        lambda: with_model(merchant_id=id_field("who sold", required=True)),
        "merchant_id: is required now",
    ),
    "new_and_required": (
        lambda: with_model(tax=amount_field("tax", required=True)),
        "tax: is new and required",
    ),
    "fewer_words": (
        lambda: with_model(status=status_field("s", ("paid", "failed"), required=True)),
        "status: may no longer be refunded",
    ),
    "narrower_type": (
        lambda: with_model(shipping_country=currency_field("where to", required=False)),
        "shipping_country: must be currency now, not text",
    ),
    "narrower_time": (
        lambda: with_model(items=instant_field("x", required=False)),
        "items: must be instant now, not text",
    ),
    "alias_removed": (without_alias, "status: is no longer called payment_status"),
    "judge_refuses_more": (
        lambda: replace(ORDERS, judge=refusing_more),
        "rows may be quarantined as unroutable_network",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "said"), TIGHTER.values(), ids=list(TIGHTER))
def test_tighter_contract_needs_a_raised_version(
    make: Callable[[], KindProfile], said: str, tmp_path: Path
) -> None:
    publish(ORDERS, tmp_path)
    tighter = make()

    assert said in broken_promises(tighter, tmp_path)
    with pytest.raises(VersionNotRaisedError, match="Raise its version"):
        publish(tighter, tmp_path)
    raised = replace(tighter, contract=replace(tighter.contract, version=2))
    publish(raised, tmp_path)

    assert {path.name for path in (tmp_path / "orders").glob("*.json")} == {"v1.json", "v2.json"}
    assert (tmp_path / "orders/v1.json").read_text() == schema_text(schema_of(ORDERS))


def test_wider_contract_keeps_its_version_and_its_samples(tmp_path: Path) -> None:
    publish(ORDERS, tmp_path)
    samples = published_path(ORDERS, "ndjson", tmp_path)
    before = samples.read_text()
    wider = with_model(note=text_field("anything"))

    assert broken_promises(wider, tmp_path) == []
    assert published_path(wider, folder=tmp_path).read_text() != schema_text(schema_of(wider))
    publish(wider, tmp_path)

    assert samples.read_text().startswith(before)
    assert '"note"' in samples.read_text().removeprefix(before)


@pytest.mark.parametrize("name", ["required", "fewer_words", "alias_removed"])
def test_published_sample_is_refused_by_a_tighter_contract(name: str) -> None:
    make, _ = TIGHTER[name]
    world = IntakeWorld(kinds={**KINDS, ORDERS.kind: make()})
    sample = published_path(ORDERS, "ndjson")

    outcome = world.submit("orders", sample.read_bytes(), name="v1.ndjson")

    assert outcome.quarantined > 0


def test_change_of_formats_reports_or_currencies_is_noticed() -> None:
    changes = {
        "formats": lambda known: known.remove("parquet"),
        "reports": lambda known: known.append("new"),
        "currencies": lambda known: known.update(USD=3),
    }
    found = []
    for name, change in changes.items():
        old, new = schema_of(ORDERS), schema_of(ORDERS)
        change(new["x-cardops"][name] if name != "reports" else old["x-cardops"][name])
        found += breaking_changes(old, new)

    assert found == [
        "files in the format parquet are refused",
        "the report new is no longer read",
        "USD has 3 fraction digits now, not 2",
    ]


def test_lake_file_says_under_which_version_its_rows_were_judged(tmp_path: Path) -> None:
    world = IntakeWorld(lake=ParquetLake(DirectoryStore(tmp_path), tmp_path / "mirror"))

    world.submit("orders", published_path(ORDERS, "ndjson").read_bytes(), name="v1.ndjson")

    (stored,) = tmp_path.rglob("*.parquet")
    metadata = pq.read_metadata(stored).metadata
    assert metadata[b"cardops.contract.kind"] == b"orders"
    assert metadata[b"cardops.contract.version"] == b"1"
