"""Lists: bytes fit their documented shape, pages neither lose nor repeat, one round trip, an index in page order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from pydantic import BaseModel

from api.modules.accounts.schemas import Account, AccountPage
from api.modules.activities.schemas import Activity, ActivityPage
from api.modules.agents.schemas import Agent, AgentList, Run, RunPage
from api.modules.analytics.schemas import ChangedDealPage, ChangeReport, ConversionReport, Forecast, Funnel, HeatMap
from api.modules.api_keys.schemas import KeyPage
from api.modules.approval_policies.schemas import Policy, PolicyPage
from api.modules.approvals.schemas import Approval, ApprovalPage
from api.modules.audit.schemas import AuditPage
from api.modules.auth.schemas import Me, SessionPage
from api.modules.calendar.schemas import Availability, Calendar
from api.modules.contacts.schemas import Contact, ContactPage
from api.modules.custom_fields.schemas import CustomField, CustomFieldPage
from api.modules.decisions.schemas import DecisionPage, StepPage
from api.modules.detectors.schemas import Detectors
from api.modules.duplicates.schemas import DuplicatePage
from api.modules.emails.schemas import Thread, ThreadPage
from api.modules.imports.schemas import ImportDetail, ImportPage, Preview
from api.modules.intent.schemas import (
    Briefing,
    BriefingCards,
    BriefingDiff,
    PatternPage,
    Recommendation,
    RecommendationPage,
    SignalPage,
)
from api.modules.invitations.schemas import InvitationPage
from api.modules.leads.schemas import Lead, LeadPage
from api.modules.merges.schemas import MergePage
from api.modules.models.schemas import DisplayChangePage, Model, ModelPage, Monitoring, Readiness
from api.modules.opportunities.schemas import HistoryPage, Opportunity, OpportunityPage
from api.modules.pipelines.schemas import Pipeline, PipelinePage
from api.modules.privacy.schemas import PrivacyRequest, PrivacyRequestPage
from api.modules.profile.schemas import Profile
from api.modules.scores.schemas import Counterfactuals, ScoreHistoryPage, ScoreLineage, Scores
from api.modules.search.schemas import SearchResult
from api.modules.sequences.schemas import (
    Enrolment,
    EnrolmentPage,
    Mailbox,
    Sequence,
    SequencePage,
    Statistics,
    SuppressionPage,
)
from api.modules.settings.schemas import Settings as TenantSettings
from api.modules.tags.schemas import TagList
from api.modules.teams.schemas import Team, TeamPage
from api.modules.timeline.schemas import TimelinePage
from api.modules.users.schemas import User, UserPage
from api.modules.webhooks.schemas import DeliveryDetail, DeliveryPage, Webhook, WebhookPage
from bevyly.ids import new_id
from models.signals.registry import SIGNAL_TYPES
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import seed
from tests.integration.api.walk import STREAMS, operations

SHAPES: dict[str, type[BaseModel]] = {
    "/api/v1/accounts": AccountPage,
    "/api/v1/accounts/{account_id}": Account,
    "/api/v1/contacts": ContactPage,
    "/api/v1/contacts/{contact_id}": Contact,
    "/api/v1/opportunities": OpportunityPage,
    "/api/v1/opportunities/{opportunity_id}": Opportunity,
    "/api/v1/opportunities/{opportunity_id}/history": HistoryPage,
    "/api/v1/leads": LeadPage,
    "/api/v1/leads/{lead_id}": Lead,
    "/api/v1/activities": ActivityPage,
    "/api/v1/activities/{activity_id}": Activity,
    "/api/v1/tasks": ActivityPage,
    "/api/v1/calendar": Calendar,
    "/api/v1/calendar/availability": Availability,
    "/api/v1/timeline/{entity_type}/{entity_id}": TimelinePage,
    "/api/v1/emails/threads": ThreadPage,
    "/api/v1/emails/threads/{thread_id}": Thread,
    "/api/v1/intent/briefing": Briefing,
    "/api/v1/intent/briefing/cards": BriefingCards,
    "/api/v1/intent/briefing/diff": BriefingDiff,
    "/api/v1/intent/detectors": Detectors,
    "/api/v1/intent/signals": SignalPage,
    "/api/v1/intent/patterns": PatternPage,
    "/api/v1/intent/recommendations": RecommendationPage,
    "/api/v1/intent/recommendations/{recommendation_id}": Recommendation,
    "/api/v1/intent/scores/{entity_type}/{entity_id}": Scores,
    "/api/v1/intent/scores/{entity_type}/{entity_id}/history": ScoreHistoryPage,
    "/api/v1/intent/scores/{score_id}/lineage": ScoreLineage,
    "/api/v1/intent/scores/{score_id}/counterfactuals": Counterfactuals,
    "/api/v1/intent/models": ModelPage,
    "/api/v1/intent/models/{model_id}": Model,
    "/api/v1/intent/monitoring": Monitoring,
    "/api/v1/intent/readiness": Readiness,
    "/api/v1/intent/display-changes": DisplayChangePage,
    "/api/v1/intent/recommendations/{recommendation_id}/decisions": StepPage,
    "/api/v1/decisions": DecisionPage,
    "/api/v1/search": SearchResult,
    "/api/v1/tags": TagList,
    "/api/v1/api-keys": KeyPage,
    "/api/v1/auth/me": Me,
    "/api/v1/audit": AuditPage,
    "/api/v1/invitations": InvitationPage,
    "/api/v1/pipelines": PipelinePage,
    "/api/v1/pipelines/{pipeline_id}": Pipeline,
    "/api/v1/settings": TenantSettings,
    "/api/v1/me": Profile,
    "/api/v1/users": UserPage,
    "/api/v1/users/{user_id}": User,
    "/api/v1/teams": TeamPage,
    "/api/v1/teams/{team_id}": Team,
    "/api/v1/auth/sessions": SessionPage,
    "/api/v1/duplicates": DuplicatePage,
    "/api/v1/merges": MergePage,
    "/api/v1/imports": ImportPage,
    "/api/v1/imports/{import_id}": ImportDetail,
    "/api/v1/imports/{import_id}/preview": Preview,
    "/api/v1/custom-fields": CustomFieldPage,
    "/api/v1/custom-fields/{field_id}": CustomField,
    "/api/v1/agents": AgentList,
    **{f"/api/v1/agents/{agent}": Agent for agent in ("lead_source", "enrichment", "email", "voice")},
    "/api/v1/agents/runs": RunPage,
    "/api/v1/agents/runs/{run_id}": Run,
    "/api/v1/approval-policies": PolicyPage,
    "/api/v1/approval-policies/{policy_id}": Policy,
    "/api/v1/approvals": ApprovalPage,
    "/api/v1/approvals/{approval_id}": Approval,
    "/api/v1/analytics/funnel": Funnel,
    "/api/v1/analytics/changes": ChangeReport,
    "/api/v1/analytics/changes/deals": ChangedDealPage,
    "/api/v1/analytics/conversion": ConversionReport,
    "/api/v1/analytics/activity": HeatMap,
    "/api/v1/analytics/forecast": Forecast,
    "/api/v1/privacy/requests": PrivacyRequestPage,
    "/api/v1/privacy/requests/{request_id}": PrivacyRequest,
    "/api/v1/webhooks": WebhookPage,
    "/api/v1/webhooks/{endpoint_id}": Webhook,
    "/api/v1/webhooks/{endpoint_id}/deliveries": DeliveryPage,
    "/api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}": DeliveryDetail,
    "/api/v1/sequences": SequencePage,
    "/api/v1/sequences/{sequence_id}": Sequence,
    "/api/v1/sequences/{sequence_id}/statistics": Statistics,
    "/api/v1/enrolments": EnrolmentPage,
    "/api/v1/enrolments/{enrolment_id}": Enrolment,
    "/api/v1/mailboxes/{user_id}": Mailbox,
    "/api/v1/suppressions": SuppressionPage,
}

# Lists of which a seeded tenant has more than the one row.
ROWS = {
    "/api/v1/intent/detectors": len(SIGNAL_TYPES),
    "/api/v1/activities": 2,
    "/api/v1/duplicates": 0,
    "/api/v1/users": 4,
    "/api/v1/pipelines": 2,
}
ROWS |= {"/api/v1/decisions": 3, "/api/v1/agents": 4, "/api/v1/analytics/funnel": 6}
ROWS |= {"/api/v1/intent/scores/{score_id}/counterfactuals": 0}

# list: the index in the order of its page, and for each filter that has one, its own
INDEXES: dict[str, tuple[str, dict[str, str]]] = {
    "accounts": ("ix_accounts_list", {"owner_id": "ix_accounts_owner"}),
    "contacts": ("ix_contacts_list", {"owner_id": "ix_contacts_owner", "account_id": "ix_contacts_account"}),
    "opportunities": (
        "ix_opportunities_list",
        {"owner_id": "ix_opportunities_owner", "account_id": "ix_opportunities_account"},
    ),
    "leads": ("ix_leads_list", {"owner_id": "ix_leads_owner"}),
    "activities": (
        "ix_activities_list",
        {f"{name}_id": f"ix_activities_{name}" for name in ("owner", "account", "contact", "opportunity", "lead")},
    ),
    "signals": ("ix_signals_list", {"entity_id": "ix_signals_entity"}),
    "patterns": ("ix_patterns_list", {"entity_id": "ix_patterns_entity"}),
    "recommendations": ("ix_recommendations_list", {"entity_id": "ix_recommendations_entity"}),
}


@pytest.fixture
def theirs(api: Api) -> dict[str, str]:
    return seed(api.database.pipeline_url, api.a.customer_id, api.a.users["owner"])


async def test_the_bytes_of_every_read_fit_their_documented_shape(api: Api, theirs: dict[str, str]) -> None:
    reads = [one for one in operations() if one.method == "GET" and one.path not in STREAMS]
    assert {operation.path for operation in reads} == SHAPES.keys()
    async with api.client(api.a) as client:
        for operation in reads:
            answer = await client.get(operation.url(theirs))
            assert answer.status_code == 200, (operation.path, answer.text)
            SHAPES[operation.path].model_validate_json(answer.content, strict=False)
            if "data" in answer.json():
                assert len(answer.json()["data"]) == ROWS.get(operation.path, 1), operation.path


async def test_pages_neither_lose_nor_repeat_while_rows_are_added(api: Api) -> None:
    same_instant = datetime(2026, 11, 1, tzinfo=UTC)
    with psycopg.connect(api.database.pipeline_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into accounts (customer_id, id, name, created_at) values (%s, %s, %s, %s)",
            [(api.a.customer_id, new_id(), f"n{n}", same_instant + timedelta(minutes=n // 4)) for n in range(23)],
        )
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 5}
    async with api.client(api.a) as client:
        for page in range(10):
            answer = (await client.get("/api/v1/accounts", params=query)).json()
            seen += [row["id"] for row in answer["data"]]
            if page == 1:
                await client.post("/api/v1/accounts", json={"name": "new, and therefore before the first page"})
            if answer["page"]["next_cursor"] is None:
                break
            query["cursor"] = answer["page"]["next_cursor"]
    expected = api.sql(
        "select id from accounts where customer_id = %s and name like 'n__%%' or name like 'n_' and customer_id = %s "
        "order by created_at desc, id desc",
        api.a.customer_id,
        api.a.customer_id,
    )
    assert len(seen) == len(set(seen)) == 23
    assert seen == [row[0] for row in expected if row[0] in set(seen)]


async def test_filters_narrow_a_list(api: Api) -> None:
    async with api.client(api.a) as client:
        account = (await client.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
        for stage in ("prospecting", "won", "lost"):
            body = {"name": stage, "account_id": account, "stage": stage}
            assert (await client.post("/api/v1/opportunities", json=body)).status_code == 201
        for query, names in (
            ({"status": "open"}, {"prospecting"}),
            ({"stage": "won"}, {"won"}),
            ({"account_id": account}, {"prospecting", "won", "lost"}),
            ({"account_id": new_id()}, set()),
            ({"owner_id": api.a.users["owner"], "status": "lost"}, {"lost"}),
            ({"owner_id": api.a.users["viewer"]}, set()),
            ({"q": "PRO"}, {"prospecting"}),
        ):
            found = (await client.get("/api/v1/opportunities", params=query)).json()["data"]
            assert {row["name"] for row in found} == names, query


async def test_a_list_is_one_statement(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, asked = api.app.state.resources.reader, []
    real = reader._fetch_once

    async def count(statement: bytes, parameters: Any) -> Any:
        asked.append(statement)
        return await real(statement, parameters)

    async with api.client(api.a) as client:
        await client.get("/api/v1/auth/me")
        monkeypatch.setattr(reader, "_fetch_once", count)
        for operation in operations():
            if operation.method == "GET" and not operation.path_ids and operation.path not in STREAMS:
                asked.clear()
                await client.get(operation.url({}))
                assert len(asked) == 1, operation.path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowded(module_api: Api) -> Api:
    """Forty tenants with 250 rows in each list, so that the planner has something to choose."""
    with psycopg.connect(module_api.database.owner_url, autocommit=True) as owner:
        for statement in _crowd():
            owner.execute(statement)
    return module_api


@pytest.mark.parametrize("name", INDEXES)
async def test_a_page_comes_from_an_index_in_its_order(crowded: Api, name: str) -> None:
    listed, by_filter = INDEXES[name]
    tenant = crowded.sql("select id from customers where name = 'crowd 7'")[0][0]
    read = _read_for_a_page(crowded, name, tenant, {})
    assert read[listed] == 51, "a page of 50 reads one row more than it shows, in the order of its index"
    assert name not in read, "no sequential scan"
    for field, index in by_filter.items():
        value = crowded.sql(f"select {field} from {name} where customer_id = %s limit 1", tenant)[0][0]
        read = _read_for_a_page(crowded, name, tenant, {field: value})
        assert index in read or listed in read, (field, read)
        assert name not in read, (field, read)
        assert read.get(index, 0) <= 250, (field, read)


def _crowd() -> list[str]:
    def insert(table: str, columns: str, values: str) -> str:
        return f"""
            insert into {table} (customer_id, id, {columns}) select c.id, gen_random_uuid()::text, {values}
            from customers c, generate_series(1, 250) n where c.name like 'crowd %'
        """

    def some(table: str, condition: str = "true") -> str:
        return f"(select min(x.id) from {table} x where x.customer_id = c.id and {condition})"

    owner = some("users", "x.email = n % 10 || '@x.example'")
    account = some("accounts", "x.name = 'n' || (n % 50 + 1)")
    at = "now() - n * interval '1 minute'"
    entity = "'lead', gen_random_uuid()::text"
    return [
        "insert into customers (id, name) select gen_random_uuid()::text, 'crowd ' || n from generate_series(1, 40) n",
        """
            insert into users (customer_id, id, email, role)
            select c.id, gen_random_uuid()::text, n || '@x.example', 'member'
            from customers c, generate_series(0, 9) n where c.name like 'crowd %'
        """,
        insert("accounts", "name, owner_id, created_at", f"'n' || n, {owner}, {at}"),
        "analyze",
        insert("contacts", "account_id, owner_id, created_at", f"{account}, {owner}, {at}"),
        insert(
            "opportunities",
            "account_id, name, stage, stage_entered_at, owner_id, created_at",
            f"{account}, 'n', 'proposal', now(), {owner}, {at}",
        ),
        insert("leads", "company_name, owner_id, created_at", f"'n' || n, {owner}, {at}"),
        "analyze",
        insert(
            "activities",
            "kind, direction, occurred_at, owner_id, account_id, contact_id, opportunity_id, lead_id",
            f"'note', 'internal', {at}, {owner}, {account}, {some('contacts')}, {some('opportunities')}, "
            f"{some('leads')}",
        ),
        insert(
            "signals",
            "entity_type, entity_id, signal_type, polarity, severity, strength, title, data, evidence, dedupe_key, "
            "detector_version, found_by, first_seen_at, last_seen_at",
            f"{entity}, 'lead_ready', '+', 'low', 1, 't', '{{}}', '[]', n, '1', 'batch', {at}, {at}",
        ),
        insert(
            "patterns",
            "entity_type, entity_id, pattern_type, title, polarity, confidence, confidence_low, confidence_high, data, "
            "dedupe_key, first_seen_at, last_seen_at",
            f"{entity}, 'p', 't', '+', 1, 1, 1, '{{}}', n, {at}, {at}",
        ),
        insert(
            "recommendations",
            "entity_type, entity_id, action_type, priority, title, rationale, urgency, expected_value_minor, "
            "expected_value_low_minor, expected_value_high_minor, basis, rank, expires_at, dedupe_key, as_of, "
            "created_at",
            f"{entity}, 'call', 'low', 't', 'r', 1, 1, 1, 1, 'prior', n, now(), n, now(), {at}",
        ),
        "analyze",
    ]


def _filters(api: Api, name: str) -> list[str]:
    names = api.sql("select proargnames from pg_proc where proname = %s", f"api_list_{name}")[0][0]
    return [field for field in names[4:] if field not in ("body", "next_at", "next_id")]


def _read_for_a_page(api: Api, name: str, tenant: str, given: dict[str, str]) -> dict[str, int]:
    """How many rows the app's function for a list reads from each index, or by a sequential scan from the table."""
    values = [given.get(field) for field in _filters(api, name)]
    holes = ", ".join(["%s"] * len(values))
    page = f"select * from api_list_{name}(set_config('bevyly.customer_id', %s, true), 'infinity', '~', 50, {holes})"
    counted = """
        select c.relname, pg_stat_get_xact_tuples_returned(c.oid)::int from pg_class c
        left join pg_index i on i.indexrelid = c.oid
        where c.oid = %s::regclass or i.indrelid = %s::regclass
    """
    with psycopg.connect(api.database.app_url) as connection:
        connection.execute(page, [tenant, *values])
        rows = connection.execute(counted, (name, name)).fetchall()
    return {relation: count for relation, count in rows if count}
