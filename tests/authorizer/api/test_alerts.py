"""Each alert names an existing runbook and queries metrics that a real server exposes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from authorizer.metrics import Metrics
from tests.servers.authorizer_process import AuthorizerProcess

ROOT = Path(__file__).resolve().parents[3]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
HEADINGS = [
    "What you see", "What it means", "Is money at risk", "Do this now", "How to know it is over",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_alert_names_a_runbook_with_its_five_headings(rule: dict[str, Any]) -> None:
    page = (ROOT / rule["annotations"]["runbook"]).read_text()

    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS
    assert rule["alert"] in page
    assert rule["annotations"]["summary"].endswith(".")
    assert (
        Path(rule["annotations"]["runbook"]).name in (ROOT / "docs/runbooks/README.md").read_text()
    )


def test_failure_counter_starts_at_zero_and_counts_only_500() -> None:
    metrics = Metrics()
    before = metrics.text().decode()
    for status in (200, 503, 422, 500):
        metrics.count_request("POST", "/v1/authorizations", status, 0.01)
    after = metrics.text().decode()

    assert "cardops_http_failures_total 0.0\n" in before
    assert "cardops_http_failures_total 1.0\n" in after


@pytest.mark.database
def test_every_metric_in_an_alert_is_exposed_with_plausible_ages(
    database_url: str, tmp_path: Path
) -> None:
    with AuthorizerProcess(database_url, tmp_path) as api:
        api.authorize({"transaction_id": "t", "user_id": "u", "amount": 1})
        text = api.call("GET", "/metrics", key=None).body.decode()
    exposed = dict(re.findall(r"^(cardops_\w+)(?:\{.*\})? (\S+)$", text, re.MULTILINE))
    queried = {name for rule in RULES for name in re.findall(r"cardops_\w+", rule["expr"])}

    assert queried <= set(exposed)
    assert exposed["cardops_http_failures_total"] == "0.0"
    assert 0 <= float(exposed["cardops_sweeper_age_seconds"]) < 10
    assert float(exposed["cardops_callback_outbox_age_seconds"]) == 0
    assert "cardops_batch_questions_count 1.0" in text
    assert re.search(r'cardops_build_info\{python="3\.\d+\.\d+",version="[^"]+"\} 1\.0', text)
