"""A row of a tenant in every table with `customer_id`: isolation is tested where there is something to leak."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy.orm import Session

from bevyly.agents.content import content_hash
from bevyly.agents.kinds import AGENTS
from bevyly.db.engine import make_engine
from bevyly.db.schema import (
    Account,
    Activity,
    ActivityParticipant,
    AgentConfig,
    AgentRun,
    ApiKey,
    ApprovalItem,
    ApprovalPolicy,
    AuditEntry,
    Base,
    Briefing,
    BriefingSeen,
    Contact,
    CustomField,
    DetectorLine,
    DetectorOverride,
    DetectorStanding,
    DisplayChange,
    DuplicateDismissal,
    Enrichment,
    ErasedMark,
    IdempotencyRecord,
    Import,
    ImportChunk,
    ImportEffect,
    ImportFailure,
    InboundEvent,
    InboundRecord,
    Invitation,
    Lead,
    LiveEvent,
    Merge,
    ModelMonitor,
    ModelVersion,
    OneTimeToken,
    Opportunity,
    OpportunityChange,
    OpportunityForecast,
    OutboxEvent,
    Pattern,
    PatternSignal,
    Pipeline,
    PipelineStage,
    PrivacyFile,
    PrivacyRequest,
    QueuedMail,
    RawEvent,
    Recommendation,
    RefreshToken,
    Score,
    ScoreInputs,
    ScoreReadiness,
    Sequence,
    SequenceEnrolment,
    SequenceMailbox,
    SequenceStepRun,
    Signal,
    Suppression,
    SuppressionMark,
    Team,
    TeamMember,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    Wording,
)
from bevyly.events.contracts import EXAMPLES
from bevyly.identity.keys import mint
from bevyly.ids import new_id

NOW = datetime.now(UTC).replace(microsecond=0)
"""Reports look at the last days."""
LATER = NOW + timedelta(days=36_500)


def _told() -> str:
    return orjson.dumps(orjson.loads((EXAMPLES / "signal.raised" / "1" / "full.json").read_bytes())).decode()


def briefing_document(version: int = 1, headline: str = "Three things today") -> str:
    """A small briefing as the pipeline stores it."""
    return (
        f'{{"version":{version},"as_of":"2026-11-23T08:00:00Z","generated_at":"2026-11-23T08:00:01Z","status":"fresh",'
        f'"stale_reason":null,"user":{{"id":"u","name":"Ann"}},"headline":"{headline}","summary":{{}},"items":[],'
        '"good_news":[],"not_shown":[],"models":[]}'
    )


def recommendation(customer_id: str, lead_id: str, **more: Any) -> Recommendation:
    """A pending recommendation about a lead."""
    values: dict[str, Any] = {
        "entity_type": "lead",
        "entity_id": lead_id,
        "action_type": "call",
        "priority": "high",
        "title": "Call them",
        "rationale": "They asked.",
        "urgency": 1.0,
        "expected_value_minor": 100,
        "expected_value_low_minor": 50,
        "expected_value_high_minor": 200,
        "basis": "prior",
        "rank": 1,
        "expires_at": LATER,
        "dedupe_key": new_id(),
        "as_of": NOW,
    }
    return Recommendation(customer_id=customer_id, id=new_id(), **(values | more))


def seed(pipeline_url: str, customer_id: str, user_id: str) -> dict[str, str]:
    """Fill every table for a tenant; returns the ids by the names that routes give them."""
    ids = {
        f"{name}_id": new_id() for name in ("account", "contact", "opportunity", "lead", "activity", "key", "session")
    }
    t: dict[str, Any] = {"customer_id": customer_id}
    model, signal, pattern, run = new_id(), new_id(), new_id(), new_id()
    advice = recommendation(customer_id, ids["lead_id"], owner_id=user_id, acted_by=None)
    event = new_id()
    ids |= {
        "signal_type": "going_dark",
        "endpoint_id": new_id(),
        "delivery_id": new_id(),
        "thread_id": new_id(),
        "import_id": new_id(),
        "team_id": new_id(),
        "pipeline_id": new_id(),
        "stage_id": new_id(),
        "invitation_id": new_id(),
        "field_id": new_id(),
        "policy_id": new_id(),
        "user_id": user_id,
        "actor_id": user_id,
    }
    ids |= {"recommendation_id": advice.id, "entity_id": ids["lead_id"], "entity_type": "lead", "owner_id": user_id}
    asked = {"command": "agent.draft_email", "account_id": ids["account_id"], "purpose": "Ask for the next step"}
    ids |= {"sponsor_id": user_id, "approval_id": new_id(), "command_id": new_id(), "content_hash": content_hash(asked)}
    ids |= dict.fromkeys(("run_id", "agent_run_id"), run)
    ids |= {"score_id": new_id(), "request_id": new_id(), "record_id": ids["contact_id"]}
    link = mint("bvy_unsubscribe_", customer_id)
    ids |= {"survivor_id": ids["lead_id"], "token": link.text, "sender_id": user_id}
    ids |= {f"{name}_id": new_id() for name in ("sequence", "enrolment", "suppression")}
    step = {"id": new_id(), "kind": "task", "wait_days": 0, "wait_hours": 0, "subject": "Secret", "body": None}
    ids["model_id"] = model
    steps: list[list[Base]] = [
        [
            ModelVersion(
                **t, id=model, score_type="conversion", status="champion", display="band", n_rows=1, n_outcomes=1,
                metrics={}, card="", artefact="x", trained_display="probability",
            ),
            Account(**t, id=ids["account_id"], name="Secret account", tags=["secret"]),
            *(
                AgentConfig(**t, id=new_id(), agent_type=agent.type, sponsor_id=user_id, config=config)
                for agent, config in zip(AGENTS, ({"criteria": {}, "limit": 50}, {}, {}, {}), strict=True)
            ),
            ApprovalPolicy(**t, id=ids["policy_id"], requires="manager", created_by=user_id),
            AgentRun(
                **t, id=run, agent_type="email", command_id=ids["command_id"], status="queued", input=asked,
                started_at=NOW,
            ),
            ApiKey(
                **t, id=ids["key_id"], user_id=user_id, name="k", prefix="bvy_live_…", secret_hash=new_id(),
                scopes=["profile:read"],
            ),
            RefreshToken(
                **t, id=new_id(), user_id=user_id, family_id=ids["session_id"], token_hash=new_id(), expires_at=LATER
            ),
            OneTimeToken(
                **t, id=new_id(), user_id=user_id, purpose="reset_password", token_hash=new_id(), email="x",
                expires_at=LATER,
            ),
            IdempotencyRecord(**t, key="k", request_hash="h", expires_at=LATER),
            AuditEntry(
                **t, id=new_id(), actor_type="user", actor_id=user_id, action="x", entity_type="x", entity_id=new_id()
            ),
            Briefing(
                **t, user_id=user_id, version=1, as_of=NOW, status="fresh", document=briefing_document(), etag="b1"
            ),
            BriefingSeen(**t, user_id=user_id, version=1, as_of=NOW, seen_at=NOW),
            Wording(
                **t, facts="0" * 64, model="m", prompt="1", entity_type="lead", entity_id=ids["lead_id"],
                status="used", text="Call them.", asked_at=NOW,
            ),
            Enrichment(
                **t, id=new_id(), entity_type="account", entity_id=ids["account_id"], provider="x", status="matched",
                credits=1, fetched_at=NOW, expires_at=LATER,
            ),
            InboundEvent(
                **t, id=new_id(), source="x", event_id="1", type="lead.created", content_hash="h", status="created",
                entity_type="lead", entity_id=ids["lead_id"], event_ids=[],
            ),
            InboundRecord(
                **t, id=ids["lead_id"], source="x", entity_type="lead", external_id="1", source_time=NOW, version=1
            ),
            OutboxEvent(**t, event_id=new_id(), topic="bevyly.domain", envelope="{}"),
            LiveEvent(**t, event_id=new_id(), topic="signals", type="signal.raised", envelope=_told()),
            RawEvent(
                **t, event_id=new_id(), type="note.created", schema_version=1, subject_type="activity",
                subject_id=new_id(), sequence=1, occurred_at=NOW, recorded_at=NOW, data={}, source="x",
                topic="bevyly.domain", partition=0, offset=0,
            ),
            PrivacyRequest(
                **t, id=ids["request_id"], kind="export", status="done", mark="m", size_bytes=1, requested_by=user_id
            ),
            ErasedMark(**t, mark="m", erased_at=NOW),
            DuplicateDismissal(**t, kind="lead", first_id="0", second_id="1", dismissed_by=user_id),
            Merge(
                **t, id=new_id(), kind="lead", survivor_id=ids["lead_id"], absorbed_ids=[new_id()], moved={},
                merged_by=user_id,
            ),
            Signal(
                **t, id=signal, entity_type="lead", entity_id=ids["lead_id"], signal_type="lead_ready", polarity="+",
                severity="high", strength=1.0, title="Ready", dedupe_key=new_id(), detector_version="1",
                found_by="batch", first_seen_at=NOW, last_seen_at=NOW,
            ),
            Pattern(
                **t, id=pattern, entity_type="lead", entity_id=ids["lead_id"], pattern_type="warm_return", title="Back",
                polarity="+", confidence=0.5, confidence_low=0.4, confidence_high=0.6, dedupe_key=new_id(),
                first_seen_at=NOW, last_seen_at=NOW,
            ),
            Pipeline(**t, id=ids["pipeline_id"], name="Secret pipeline", updated_at=NOW),
            CustomField(
                **t, id=ids["field_id"], object="account", key="secret", label="Secret", type="text", updated_at=NOW
            ),
            Team(**t, id=ids["team_id"], name="Secret team", updated_at=NOW),
            QueuedMail(**t, id=new_id(), kind="x", recipient="x@example.com", body="x", next_attempt_at=LATER),
            WebhookEndpoint(**t, id=ids["endpoint_id"], url="https://secret.example/hook", event_types=["*"]),
            WebhookEvent(**t, event_id=event, type="note.created", envelope="{}"),
            Sequence(
                **t, id=ids["sequence_id"], name="Secret sequence", status="active", owner_id=user_id, steps=[step]
            ),
            SequenceMailbox(**t, user_id=user_id),
            SuppressionMark(**t, mark="m", reason="manual", created_at=NOW),
            Suppression(**t, id=ids["suppression_id"], email="never@example.com", reason="manual"),
            Import(
                **t, id=ids["import_id"], kind="account", size_bytes=7, encoding="utf-8", delimiter=",",
                has_header=True, columns=["name"], created_by=user_id,
            ),
        ],
        [
            Contact(**t, id=ids["contact_id"], account_id=ids["account_id"], last_name="Secret", email="s@example.com"),
            PrivacyFile(**t, request_id=ids["request_id"], number=0, content=b"x"),
            ImportChunk(**t, import_id=ids["import_id"], number=0, content=b"name\nSecret\n"),
            ImportEffect(
                **t, import_id=ids["import_id"], record_id=ids["account_id"], row_number=1, action="created",
                version=1, before={}, after={},
            ),
            ImportFailure(
                **t, import_id=ids["import_id"], row_number=2, code="invalid", message="m", cells=["Secret"]
            ),
            ApprovalItem(
                **t, id=ids["approval_id"], agent_run_id=run, item_type="email", content=asked,
                content_hash=ids["content_hash"], expires_at=LATER,
            ),
            *(
                PipelineStage(
                    **t, id=stage, pipeline_id=ids["pipeline_id"], key=f"secret_{place}", name="Secret stage",
                    position=place, probability=0.5, kind="open",
                )
                for place, stage in enumerate((ids["stage_id"], new_id()))
            ),
            Invitation(
                **t, id=ids["invitation_id"], email="s@example.com", role="viewer", token_hash=new_id(),
                invited_by=user_id, sent_at=NOW, expires_at=LATER,
            ),
            TeamMember(**t, team_id=ids["team_id"], user_id=user_id),
            PatternSignal(**t, pattern_id=pattern, signal_id=signal),
            ScoreInputs(**t, entity_type="lead", entity_id=ids["lead_id"], feature_hash="h", document="{}"),
            Score(
                **t, id=ids["score_id"], entity_type="lead", entity_id=ids["lead_id"], score_type="conversion",
                as_of=NOW, probability=0.5, probability_low=0.4, probability_high=0.6, logit=0.0, baseline_logit=0.0,
                points=50, rank=1, band="B", model_version_id=model, feature_hash="h",
            ),
            ModelMonitor(
                **t, model_version_id=model, monitor="features", alarm=True, since=NOW, reason="deal size moved",
                figures={}, checked_at=NOW,
            ),
            DetectorStanding(
                **t, signal_type="going_dark", n=400, hits=320, votes=350.0, votes_right=280.0, expected=230.0,
                precision=0.8, precision_low=0.765, precision_high=0.83, lift=1.22, lift_low=1.17, lift_high=1.27,
                odds=2.1, odds_high=2.6, lead_days=21.0, lead_days_low=18.0, lead_days_high=24.0, answered=3, wrong=1,
                not_useful=0, weight=1.8, muted=False, since=NOW, computed_at=NOW,
            ),
            DetectorOverride(
                **t, signal_type="deal_aging", muted=True, reason="ours are old", set_by=user_id, set_at=NOW
            ),
            DetectorLine(**t, name="dark_days", stage="", value=21.0, n=120, gain=1.4, learned_at=NOW),
            DisplayChange(
                **t, id=new_id(), score_type="conversion", model_version_id=model, from_display="probability",
                to_display="band", cause="monitoring", actor_type="pipeline", reason="deal size moved", changed_at=NOW,
            ),
            ScoreReadiness(
                **t, score_type="conversion", stage="learning", have={"decided": 12},
                missing=[{"code": "outcomes", "text": "88 more decided leads", "have": 12, "needed": 100}],
                checked_at=NOW,
            ),
            advice,
            WebhookDelivery(
                **t, id=ids["delivery_id"], endpoint_id=ids["endpoint_id"], event_id=event, event_type="note.created"
            ),
        ],
        [
            Lead(**t, id=ids["lead_id"], company_name="Secret lead", status="new"),
            WebhookAttempt(**t, id=new_id(), delivery_id=ids["delivery_id"], started_at=NOW, latency_ms=1),
        ],
        [
            Opportunity(
                **t, id=ids["opportunity_id"], account_id=ids["account_id"], name="Secret deal", stage="proposal",
                stage_entered_at=NOW,
            ),
        ],
        [
            OpportunityForecast(
                **t, id=new_id(), opportunity_id=ids["opportunity_id"], as_of=NOW, win_probability=0.5, basis="history",
                dependence=0.1, close_low=NOW.date(), close_median=NOW.date(), close_high=NOW.date(),
                close_days=[float(day) for day in range(21)], currency="EUR", value_minor=100, amount_low_minor=90,
                amount_median_minor=100, amount_high_minor=110, amounts_minor=[100] * 20, model_version_id=model,
                feature_hash="h",
            ),
            OpportunityChange(
                **t, id=new_id(), opportunity_id=ids["opportunity_id"], field="stage", new_value="proposal",
                valid_from=NOW,
            ),
            Activity(
                **t, id=ids["activity_id"], kind="task", direction="internal", occurred_at=NOW, owner_id=user_id,
                due_at=datetime.now(UTC) + timedelta(hours=1),
            ),
            Activity(
                **t, id=ids["thread_id"], kind="email", direction="inbound", occurred_at=NOW, subject="Secret email",
                thread_id=ids["thread_id"],
            ),
        ],
        [
            ActivityParticipant(**t, id=new_id(), activity_id=ids["activity_id"], email="s@example.com"),
            SequenceEnrolment(
                **t, id=ids["enrolment_id"], sequence_id=ids["sequence_id"], contact_id=ids["contact_id"],
                sender_id=user_id, enrolled_by=user_id, address="s@example.com", step_id=step["id"], next_kind="task",
                next_at=LATER,
            ),
        ],
        [
            SequenceStepRun(
                **t, id=new_id(), enrolment_id=ids["enrolment_id"], step_id=step["id"], kind="task", outcome="open",
                activity_id=ids["activity_id"], executed_at=NOW, address="s@example.com", unsubscribe_hash=link.hash,
            ),
        ],
    ]  # fmt: skip
    engine = make_engine(pipeline_url, pool_size=1)
    with Session(engine) as session, session.begin():
        for rows in steps:
            session.add_all(rows)
            session.flush()
    engine.dispose()
    return ids
