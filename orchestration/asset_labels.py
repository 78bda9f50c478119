"""Who owns each asset, what it is about, and what to read when something is wrong with it.

Belongs here: labels of the Dagster UI that follow from an asset's group. What an asset says of one run is in
its own module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg


@dataclass(frozen=True, slots=True)
class Labels:
    """Of a group: the team that acts, the subjects under which the UI's search finds it, the runbook."""

    owner: str
    subjects: tuple[str, ...]
    runbook: str


BY_GROUP: Final[Mapping[str, Labels]] = {
    "intake": Labels("team:operations", ("files", "quarantine"), "quarantine.md"),
    "balances": Labels("team:finance", ("money", "balances"), "reconciliation-breaks.md"),
    "chargebacks": Labels("team:disputes", ("disputes", "chargebacks"), "waiting-disputes.md"),
    "delivery": Labels(
        "team:disputes", ("disputes", "chargebacks", "deliveries"), "chargeback-delivery.md"
    ),
    "analytics": Labels("team:analytics", ("marts",), "source-tests.md"),
    "control": Labels("team:operations", ("control",), "run-failure.md"),
}
# Assets whose runbook or subject is another one than their group's.
BY_ASSET: Final[Mapping[str, Labels]] = {
    "deposits": Labels("team:operations", ("files", "quarantine", "money"), "quarantine.md"),
    "reconciliation": Labels("team:finance", ("money", "books"), "reconciliation-breaks.md"),
    "reconciliation_breaks": Labels("team:finance", ("money", "books"), "reconciliation-breaks.md"),
    "safeguarding": Labels("team:finance", ("money", "bank"), "safeguarding.md"),
    "bank_statements": Labels("team:finance", ("files", "bank"), "safeguarding.md"),
    "provisional_credits": Labels("team:disputes", ("money", "disputes"), "disputed-money.md"),
    "waiting_disputes": Labels("team:disputes", ("disputes",), "waiting-disputes.md"),
    "dispute_records": Labels("team:disputes", ("disputes",), "dispute-deadlines.md"),
    "file_deliveries": Labels("team:disputes", ("deliveries",), "chargeback-delivery.md"),
    "acknowledged_files": Labels("team:disputes", ("deliveries",), "acknowledgement-alarms.md"),
    "acknowledgements": Labels("team:disputes", ("deliveries",), "acknowledgement-alarms.md"),
    "quarantined_rows": Labels("team:operations", ("files", "quarantine"), "quarantine.md"),
    "unclaimed_files": Labels("team:operations", ("files",), "unclaimed-files.md"),
    "callback_archive": Labels("team:operations", ("callbacks",), "callbacks.md"),
    "fraud_rings": Labels("team:risk", ("fraud",), "fraud-rings.md"),
    "fraud_reports": Labels("team:risk", ("files", "fraud"), "quarantine.md"),
    "monitoring_alarms": Labels("team:risk", ("disputes", "fraud"), "monitoring-programmes.md"),
    "daily_closes": Labels("team:operations", ("report", "books"), "late-close.md"),
    "daily_report": Labels("team:operations", ("report",), "run-failure.md"),
    "recovery_drill": Labels("team:operations", ("books", "recovery"), "recovery-drill.md"),
    "run_history": Labels("team:operations", ("control",), "run-failure.md"),
    "alarms": Labels("team:operations", ("alarms",), "alarms-not-sent.md"),
}
# Pages that show what an asset is about as it is now, and not as of its newest run.
PAGES_BY_GROUP: Final[Mapping[str, Mapping[str, str]]] = {
    "intake": {"quarantine_now": "quarantine"},
    "chargebacks": {"batches_and_networks_now": "deliveries", "quarantine_now": "quarantine"},
    "delivery": {"batches_and_networks_now": "deliveries"},
}


def labelled(
    assets: Sequence[dg.AssetsDefinition], pages_url: str | None = None
) -> list[dg.AssetsDefinition]:
    """The same assets with owner, tags and links to runbook and pages; to a path where none are served."""

    def with_labels(spec: dg.AssetSpec) -> dg.AssetSpec:
        labels = BY_ASSET.get(spec.key.to_user_string()) or BY_GROUP.get(spec.group_name or "")
        if labels is None:
            return spec
        path = f"docs/runbooks/{labels.runbook}"
        shown = (
            dg.MetadataValue.url(f"{pages_url}/{path}")
            if pages_url
            else dg.MetadataValue.path(path)
        )
        return spec.merge_attributes(
            owners=[labels.owner],
            tags={f"cardops/{subject}": "" for subject in labels.subjects},
            metadata={"runbook": shown, **_pages(spec.group_name, pages_url)},
        )

    return [asset.map_asset_specs(with_labels) for asset in assets]


def _pages(group: str | None, pages_url: str | None) -> dict[str, dg.MetadataValue]:
    """Links to what changes without a run; where no pages are served there is nothing to link to."""
    if pages_url is None:
        return {}
    return {
        name: dg.MetadataValue.url(f"{pages_url}/{page}")
        for name, page in PAGES_BY_GROUP.get(group or "", {}).items()
    }
