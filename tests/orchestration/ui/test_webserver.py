"""The UI records who changed what before it is changed, and the read-only one changes nothing."""

import asyncio
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster_webserver.webserver import DagsterWebserver
from starlette.applications import Starlette

from cardops.rules.audit import UNKNOWN_PERSON, AuditResult, Origin
from orchestration.ui.changes import ACTIONS, UNRECORDED
from orchestration.ui.queries import MAX_CHARACTERS
from orchestration.ui.selections import selection_problem
from orchestration.ui.visitors import Visitors
from orchestration.ui.webserver import LAUNCHED_BY, AuditedWebserver, PersonalProcess, app
from tests.factories import ui_requests
from tests.fakes.audit_trail import FakeAuditTrail
from tests.servers.dagster_ui import HEADER, ui_processes

pytestmark = [
    pytest.mark.dagster,
    pytest.mark.timeout(180),
    # Dagster's own backfills ask for it.
    pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources` is:DeprecationWarning"),
]
ORIGIN = "http://127.0.0.1"
DAYS = [f"2026-01-{day:02}" for day in range(1, 11)]


@dataclass
class Ui:
    """A UI with the proxy's header, its audit trail and its instance."""

    process: PersonalProcess
    trail: FakeAuditTrail
    instance: dg.DagsterInstance
    header: str | None = HEADER
    address: str = "127.0.0.1"

    @cached_property
    def app(self) -> Starlette:
        return app(self.process, lambda: self.trail, Visitors(self.header))

    def ask(self, method: str, path: str, *, origin: str = ORIGIN, **given: Any) -> httpx.Response:
        """One request, from the address."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 50_000))
            async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
                return await client.request(method, path, **given)

        return asyncio.run(send())

    def post(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        """The body to /graphql."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = "/analysts/graphql" if self.process.is_read_only else "/graphql"
        return self.ask("POST", path, json=body, headers=named)

    def over_socket(self, *messages: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
        """What a socket of /graphql is sent for these messages, until it is closed."""
        received: list[dict[str, Any]] = [{"type": "websocket.connect"}]
        received += [{"type": "websocket.receive", "text": json.dumps(text)} for text in messages]
        received.append({"type": "websocket.disconnect", "code": 1000})
        sent: list[dict[str, Any]] = []
        named = {"host": "127.0.0.1", **headers}

        async def receive() -> dict[str, Any]:
            return received.pop(0)

        async def send(message: Any) -> None:
            sent.append(dict(message))

        scope = {
            "type": "websocket", "path": "/graphql", "raw_path": b"/graphql", "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
            "client": (self.address, 50_000), "server": ("127.0.0.1", 80), "scheme": "ws",
            "root_path": "", "subprotocols": ["graphql-ws"], "http_version": "1.1",
        }  # fmt: skip
        asyncio.run(self.app(scope, receive, send))
        return sent

    def run_count(self) -> int:
        return self.instance.get_runs_count() + len(self.instance.get_backfills())


@pytest.fixture(scope="module")
def processes() -> Iterator[dict[str, PersonalProcess]]:
    with ui_processes() as found:
        yield dict(found)


def a_ui(processes: dict[str, PersonalProcess], name: str) -> Ui:
    return Ui(processes[name], FakeAuditTrail(), processes[name].instance)


@pytest.fixture
def ui(processes: dict[str, PersonalProcess]) -> Ui:
    return a_ui(processes, "operators")


@pytest.fixture
def read_only(processes: dict[str, PersonalProcess]) -> Ui:
    return a_ui(processes, "analysts")


def test_launched_run_is_recorded_and_tagged_with_the_person(ui: Ui) -> None:
    request = ui_requests.launch("daily", dagster__partition="2026-01-02", **{LAUNCHED_BY: "eve"})

    launched = ui_requests.answer(ui.post(request, X_Cardops_User="ann").json())

    run_id = launched["run"]["runId"]
    run = ui.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[LAUNCHED_BY] == "ann"
    (record,) = ui.trail.records
    assert (record.entry.origin, record.entry.actor, record.entry.via) == (
        Origin.UI,
        "ann",
        "proxy",
    )
    assert record.entry.action == "launch run"
    assert record.entry.subject == "asset daily, partition 2026-01-02"
    assert (record.result, record.detail) == (AuditResult.DONE, f"run {run_id}")


def test_backfill_is_recorded_with_its_range_and_tagged(ui: Ui) -> None:
    response = ui.post(ui_requests.backfill(*DAYS), X_Cardops_User="ann@example.com").json()

    launched = ui_requests.answer(response)
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    backfill = ui.instance.get_backfill(launched["backfillId"])
    assert backfill is not None
    assert backfill.tags[LAUNCHED_BY] == "ann@example.com"
    (record,) = ui.trail.records
    assert record.entry.subject == "asset daily, partition 2026-01-01 to 2026-01-10 (10)"
    assert (record.entry.action, record.detail) == ("backfill", f"backfill {backfill.backfill_id}")


def test_sensor_is_named_when_it_is_started_and_when_it_is_stopped(ui: Ui) -> None:
    started = ui_requests.answer(ui.post(ui_requests.start_sensor()).json())
    ui.post(ui_requests.body(ui_requests.STOP_SENSOR, id=started["sensorState"]["id"]))

    start, stop = ui.trail.records
    assert (start.entry.action, start.entry.subject) == ("start sensor", "sensor whole_sensor")
    assert (stop.entry.action, stop.result) == ("stop sensor", AuditResult.DONE)
    assert stop.detail == "whole_sensor"


def test_what_dagster_refuses_is_recorded_as_refused(ui: Ui) -> None:
    answer = ui_requests.answer(ui.post(ui_requests.launch("no_such_asset")).json())

    (record,) = ui.trail.records
    assert answer["__typename"] != "LaunchRunSuccess"
    assert record.result in {AuditResult.REFUSED, AuditResult.FAILED}


RANGE = {
    "dagster__asset_partition_range_start": "2026-01-05",
    "dagster__asset_partition_range_end": "2026-01-02",
}


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        (ui_requests.backfill_from("2026-01-05", "2026-01-02"), "before it begins at 2026-01-05"),
        (ui_requests.launch("daily", **RANGE), "ends at 2026-01-02, before it begins"),
        (ui_requests.backfill(), "it names no partition"),
        (ui_requests.backfill("2026-01-02", "1999-01-01"), "daily has no partition 1999-01-01"),
        (ui_requests.backfill("no date"), "daily has no partition no date"),
        (
            ui_requests.launch("daily", dagster__partition="1999-01-01"),
            "daily has no partition 1999-01-01",
        ),
        (ui_requests.launch("daily"), "daily has partitions, and it names none"),
        (ui_requests.launch_job("daily_job"), "daily_job has partitions, and it names none"),
        (
            ui_requests.launch_job("daily_job", dagster__partition="2031-01-01"),
            "daily_job has no partition 2031-01-01",
        ),
        (
            ui_requests.backfill_from("1999-01-01", "2026-01-02"),
            "daily has no partition 1999-01-01",
        ),
        (
            ui_requests.backfill_of("delivered", "default-2026-01-01-999|visa"),
            "delivered has no partition default-2026-01-01-999|visa",
        ),
        (
            ui_requests.launch("delivered", dagster__partition="default-2026-01-01-999|visa"),
            "delivered has no partition default-2026-01-01-999|visa",
        ),
        (ui_requests.launch("one_half"), "makes one_half together with other_half. Select all"),
        (ui_requests.backfill_of("other_half"), "makes other_half together with one_half"),
    ],
)
def test_launch_that_cannot_be_made_is_refused_at_once(
    ui: Ui, request_body: dict[str, Any], words: str
) -> None:
    before = ui.run_count()

    refused = ui.post(request_body)

    message = refused.json()["errors"][0]["message"]
    assert refused.status_code == 403
    assert message.startswith("Nothing was launched: ")
    assert words in message
    assert ui.run_count() == before


@pytest.mark.parametrize(
    ("selected", "missing"),
    [
        ({"assetSelection": [{"path": ["a"]}]}, "b"),
        ({"partitionsByAssets": [{"assetKey": {"path": ["b"]}}]}, "a"),
        ({"assetSelection": [{"path": ["a"]}, {"path": ["b"]}]}, None),
        ({"assetSelection": [{"path": ["c"]}], "partitionsByAssets": None}, None),
        # Of a check its own step runs, whatever makes the asset.
        ({"assetCheckSelection": [{"assetKey": {"path": ["a"]}, "name": "is_whole"}]}, None),
    ],
)
def test_selection_lacks_what_its_step_makes_too(
    selected: dict[str, Any], missing: str | None
) -> None:
    problem = selection_problem({"params": selected}, {"a": ["a", "b"], "b": ["a", "b"]})

    assert (problem is None) == (missing is None)
    assert problem is None or f"together with {missing}." in problem


def test_assets_of_one_step_are_launched_together(ui: Ui) -> None:
    answer = ui_requests.answer(ui.post(ui_requests.launch("other_half", "one_half")).json())

    assert answer["__typename"] == "LaunchRunSuccess"


def test_known_partitions_are_launched_in_any_order_and_once_each(ui: Ui) -> None:
    ui.instance.add_dynamic_partitions("batch", ["default-2026-01-01-001"])
    key = "default-2026-01-01-001|visa"
    requests = [
        ui_requests.backfill("2026-01-03", "2026-01-02", "2026-01-03"),
        ui_requests.backfill_from("2026-01-02", "2026-01-03"),
        ui_requests.backfill_of("delivered", key, key),
    ]

    answers = [ui_requests.answer(ui.post(request).json()) for request in requests]

    assert {answer["__typename"] for answer in answers} == {"LaunchBackfillSuccess"}
    found = [ui.instance.get_backfill(answer["backfillId"]) for answer in answers]
    subsets = [
        backfill.asset_backfill_data.target_subset
        for backfill in found
        if backfill and backfill.asset_backfill_data
    ]
    partitions = [
        sorted(partition.partition_key or "" for partition in subset.iterate_asset_partitions())
        for subset in subsets
    ]
    assert partitions == [["2026-01-02", "2026-01-03"]] * 2 + [[key]]


def test_two_mutations_of_one_request_are_two_entries(ui: Ui) -> None:
    query = (
        "mutation Two($p: ReportRunlessAssetEventsParams!) {"
        " one: reportRunlessAssetEvents(eventParams: $p) { __typename }"
        " ...other }"
        " fragment other on Mutation { two: reportRunlessAssetEvents(eventParams: $p) { __typename } }"
    )
    variables = ui_requests.report()["variables"]
    ui.post({"query": query, "variables": {"p": variables["eventParams"]}}, X_Cardops_User="ann")

    found = [(record.entry.action, record.entry.subject) for record in ui.trail.records]
    assert found == [("report asset", "asset whole, event ASSET_MATERIALIZATION")] * 2


def test_change_that_cannot_be_recorded_is_refused_while_pages_stay_readable(ui: Ui) -> None:
    ui.trail.is_down = True
    before = ui.run_count()

    launched = ui.post(ui_requests.launch())
    reported = ui.ask("POST", "/report_asset_materialization/whole", json={})
    shown = ui.post(ui_requests.body(ui_requests.RUNS))

    assert launched.status_code == reported.status_code == 403
    assert launched.json()["errors"][0]["message"].startswith(
        'Nothing was changed: "launch run" could not be recorded'
    )
    assert "could not be recorded" in reported.text
    assert ui.run_count() == before
    assert shown.status_code == 200
    assert "results" in shown.text


def test_report_by_its_own_address_is_recorded(ui: Ui) -> None:
    headers = {HEADER: "ann"}
    done = ui.ask("POST", "/report_asset_materialization/whole", json={}, headers=headers)
    refused = ui.ask("POST", "/report_asset_check/whole", json={"passed": 1}, headers=headers)

    assert (done.status_code, refused.status_code) == (200, 400)
    assert [(record.entry.actor, record.result) for record in ui.trail.records] == [
        ("ann", AuditResult.DONE),
        ("ann", AuditResult.REFUSED),
    ]


@pytest.mark.parametrize(
    "request_body",
    [
        ui_requests.launch(),
        ui_requests.backfill("2026-01-01"),
        ui_requests.report(),
        ui_requests.start_sensor(),
        ui_requests.body("mutation { reloadWorkspace { __typename } }"),
        ui_requests.body(
            'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["whole"]}}])'
            " { __typename } }"
        ),
    ],
    ids=["launch", "backfill", "report", "sensor", "reload", "wipe"],
)
def test_read_only_ui_refuses_every_change(read_only: Ui, request_body: dict[str, Any]) -> None:
    before = read_only.run_count()

    refused = read_only.post(request_body, X_Cardops_User="ann")

    assert refused.status_code == 403
    assert "This UI is read-only: nothing was launched or changed" in refused.text
    assert read_only.run_count() == before
    assert read_only.trail.records == []


def test_read_only_ui_shows_everything_and_offers_nothing(read_only: Ui) -> None:
    reported = read_only.ask("POST", "/analysts/report_asset_observation/whole", json={})
    shown = read_only.ask("GET", "/analysts/runs")
    permissions = read_only.post(
        ui_requests.body("query { permissions { permission value } }")
    ).json()["data"]["permissions"]

    assert reported.status_code == 403
    assert shown.status_code == 200
    assert "/analysts" in shown.text
    assert {entry["value"] for entry in permissions} == {False}
    assert read_only.post(ui_requests.body(ui_requests.RUNS)).status_code == 200


def test_every_mutation_is_guarded_and_has_a_word(ui: Ui) -> None:
    server = AuditedWebserver(ui.process, lambda: ui.trail, Visitors(None))
    mutations = server._graphene_schema.graphql_schema.mutation_type
    assert mutations is not None

    found = {name: field.resolve for name, field in mutations.fields.items()}

    assert {getattr(resolve, "__qualname__", "") for resolve in found.values()} == {
        "AuditedWebserver._guarded.<locals>.call"
    }
    # What a new version of Dagster brings is recorded by its own name until it has a word.
    components = {"setAppManagedComponent", "deleteAppManagedComponent", "refreshComponentState"}
    assert set(found) - components == set(ACTIONS) | UNRECORDED


def test_change_by_a_link_or_from_another_site_is_refused(ui: Ui) -> None:
    before = ui.run_count()
    report = "mutation { reloadWorkspace { __typename } }"
    evil, cross_site = {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}
    asked = [
        ui.ask("GET", "/graphql", params={"query": report}),
        ui.ask("POST", "/graphql", params={"query": report}, headers=evil),
        ui.ask("POST", "/graphql", json={"query": report}, headers={"Origin": "null"}),
        ui.ask("POST", "/graphql", json={"query": report}, headers=cross_site),
        ui.ask("POST", "/report_asset_materialization/whole", headers=cross_site),
    ]

    assert [response.status_code for response in asked] == [403] * 5
    assert "came from another site, or by a link" in asked[0].text
    assert ui.trail.records == []
    assert ui.run_count() == before


def test_own_pages_may_change_also_behind_a_proxy_of_another_name(ui: Ui) -> None:
    own = ui.post(ui_requests.report(), Origin=ORIGIN, Sec_Fetch_Site="same-origin")
    proxied = ui.post(
        ui_requests.report(), Origin="https://ui.example", X_Forwarded_Host="ui.example"
    )

    assert (own.status_code, proxied.status_code) == (200, 200), own.text


def test_other_name_that_leads_here_gets_nothing(ui: Ui) -> None:
    assert ui.ask("GET", "/runs", origin="http://evil.example").status_code == 400


def test_person_is_believed_of_the_proxy_alone(ui: Ui) -> None:
    def recorded(of: Ui, headers: Any) -> tuple[str, str]:
        of.ask("POST", "/graphql", json=ui_requests.report(), headers=headers)
        entry = of.trail.records[-1].entry
        return entry.actor, entry.via

    direct = f"{ui.address} without a proxy"
    elsewhere = Ui(ui.process, ui.trail, ui.instance, address="10.0.0.9")
    unset = Ui(ui.process, ui.trail, ui.instance, header=None)

    assert recorded(ui, {HEADER: "ann"}) == ("ann", "proxy")
    assert recorded(ui, {}) == (UNKNOWN_PERSON, direct)
    assert recorded(ui, {HEADER: " "}) == (UNKNOWN_PERSON, direct)
    assert recorded(ui, [(HEADER, "eve"), (HEADER, "ann")]) == (UNKNOWN_PERSON, direct)
    assert recorded(unset, {HEADER: "eve"}) == (UNKNOWN_PERSON, direct)
    assert recorded(elsewhere, {HEADER: "eve"})[0] == UNKNOWN_PERSON


def test_telemetry_is_no_change(read_only: Ui) -> None:
    sent = read_only.post(
        ui_requests.body(ui_requests.TELEMETRY, action="a", time="1", metadata="{}")
    )

    assert sent.status_code == 200
    assert read_only.trail.records == []


def test_socket_of_the_ui_changes_nothing_and_is_closed_to_other_sites(ui: Ui) -> None:
    start = {"type": "start", "id": "1", "payload": ui_requests.launch()}
    before = ui.run_count()

    own = ui.over_socket({"type": "connection_init"}, start)
    other = ui.over_socket({"type": "connection_init"}, start, origin="https://evil.example")

    assert [message["type"] for message in own] == ["websocket.accept", *["websocket.send"] * 2]
    assert [json.loads(message["text"])["type"] for message in own[1:]] == [
        "connection_ack",
        "error",
    ]
    assert [message["type"] for message in other] == ["websocket.close"]
    assert ui.run_count() == before
    assert ui.trail.records == []


def of_length(characters: int) -> str:
    """A query of as many fields as so many characters have room for, with names of their own."""
    fields = " ".join(f"v{number}: version" for number in range(characters // 16))
    return f"{{ {fields} }}".ljust(characters)


def test_query_that_would_hold_up_everybody_is_refused_unread(read_only: Ui) -> None:
    longest = read_only.post({"query": of_length(MAX_CHARACTERS)})
    longer = read_only.post({"query": of_length(MAX_CHARACTERS + 1)})
    no_text = read_only.post({"query": 5})

    assert (longest.status_code, longer.status_code, no_text.status_code) == (200, 400, 400)
    assert len(longest.json()["data"]) == MAX_CHARACTERS // 16
    assert f"has {MAX_CHARACTERS + 1:,} characters" in longer.json()["errors"][0]["message"]
    assert "Send it as a string" in no_text.json()["errors"][0]["message"]


def test_socket_refuses_it_too(ui: Ui) -> None:
    start = {"type": "start", "id": "1", "payload": {"query": of_length(MAX_CHARACTERS + 1)}}

    *_, last = ui.over_socket({"type": "connection_init"}, start)

    assert "are read at most" in json.loads(last["text"])["payload"]["message"]


def test_dagster_still_has_what_is_overridden() -> None:
    for name, method in vars(AuditedWebserver).items():
        if hasattr(method, "__override__") and name != "__init__":
            own, dagsters = (
                list(inspect.signature(getattr(kind, name)).parameters)
                for kind in (AuditedWebserver, DagsterWebserver)
            )
            assert len(own) == len(dagsters), name
    source = inspect.getsource(DagsterWebserver.build_routes)
    written = [line for line in source.splitlines() if '"POST"' in line]
    # GraphQL, and the three reports: whatever else takes a POST would change something unrecorded.
    assert len(written) == 4
