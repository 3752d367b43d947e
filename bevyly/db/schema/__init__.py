"""All tables, one file per area. Import from here, so that the metadata is complete."""

from bevyly.db.schema.activities import Activity, ActivityParticipant
from bevyly.db.schema.agents import AgentConfig, AgentRun, ApprovalItem, ApprovalPolicy
from bevyly.db.schema.base import Base
from bevyly.db.schema.briefings import Briefing, BriefingSeen, Wording
from bevyly.db.schema.crm import Account, Contact, Lead, Opportunity, OpportunityChange
from bevyly.db.schema.custom_fields import CustomField
from bevyly.db.schema.dead_letters import ConsumerHalt, DeadLetterRow
from bevyly.db.schema.decisions import Decision, DecisionDetails, DecisionHead, PendingDecisions
from bevyly.db.schema.detectors import DetectorLine, DetectorOverride, DetectorStanding
from bevyly.db.schema.duplicates import DuplicateDismissal
from bevyly.db.schema.enrichment import Enrichment
from bevyly.db.schema.events import ConsumerOffset, JournalEntry, LiveEvent, OutboxEvent, RawEvent, TenantSpread
from bevyly.db.schema.identity import (
    ApiKey,
    AuditEntry,
    Customer,
    IdempotencyRecord,
    OneTimeToken,
    RefreshToken,
    User,
)
from bevyly.db.schema.imports import Import, ImportChunk, ImportEffect, ImportFailure
from bevyly.db.schema.inbound import InboundEvent, InboundRecord
from bevyly.db.schema.intelligence import (
    DisplayChange,
    FeatureCode,
    ModelMonitor,
    ModelVersion,
    OpportunityForecast,
    Pattern,
    PatternSignal,
    Ranking,
    Recommendation,
    Score,
    ScoreInputs,
    ScoreReadiness,
    Signal,
)
from bevyly.db.schema.invitations import Invitation
from bevyly.db.schema.mails import QueuedMail
from bevyly.db.schema.merges import Merge
from bevyly.db.schema.pipelines import Pipeline, PipelineStage
from bevyly.db.schema.privacy import ErasedMark, PrivacyFile, PrivacyRequest
from bevyly.db.schema.search import SearchEntry
from bevyly.db.schema.sequences import (
    Sequence,
    SequenceEnrolment,
    SequenceMailbox,
    SequenceStepRun,
    Suppression,
    SuppressionMark,
)
from bevyly.db.schema.teams import Team, TeamMember
from bevyly.db.schema.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent

__all__ = [
    "Account",
    "Activity",
    "ActivityParticipant",
    "AgentConfig",
    "AgentRun",
    "ApiKey",
    "ApprovalItem",
    "ApprovalPolicy",
    "AuditEntry",
    "Base",
    "Briefing",
    "BriefingSeen",
    "ConsumerHalt",
    "ConsumerOffset",
    "Contact",
    "CustomField",
    "Customer",
    "DeadLetterRow",
    "Decision",
    "DecisionDetails",
    "DecisionHead",
    "DetectorLine",
    "DetectorOverride",
    "DetectorStanding",
    "DisplayChange",
    "DuplicateDismissal",
    "Enrichment",
    "ErasedMark",
    "FeatureCode",
    "IdempotencyRecord",
    "Import",
    "ImportChunk",
    "ImportEffect",
    "ImportFailure",
    "InboundEvent",
    "InboundRecord",
    "Invitation",
    "JournalEntry",
    "Lead",
    "LiveEvent",
    "Merge",
    "ModelMonitor",
    "ModelVersion",
    "OneTimeToken",
    "Opportunity",
    "OpportunityChange",
    "OpportunityForecast",
    "OutboxEvent",
    "Pattern",
    "PatternSignal",
    "PendingDecisions",
    "Pipeline",
    "PipelineStage",
    "PrivacyFile",
    "PrivacyRequest",
    "QueuedMail",
    "Ranking",
    "RawEvent",
    "Recommendation",
    "RefreshToken",
    "Score",
    "ScoreInputs",
    "ScoreReadiness",
    "SearchEntry",
    "Sequence",
    "SequenceEnrolment",
    "SequenceMailbox",
    "SequenceStepRun",
    "Signal",
    "Suppression",
    "SuppressionMark",
    "Team",
    "TeamMember",
    "TenantSpread",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "Wording",
]
