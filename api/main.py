"""The assembly of the API: resources, layers, routes. What each of them does is elsewhere."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import documentation, health, problems
from api.application import Application
from api.dependencies.rate_limit import RateLimits
from api.middleware import cors
from api.middleware.context import RequestContext
from api.middleware.limits import RequestLimits
from api.modules.accounts.routes import router as accounts
from api.modules.activities.routes import router as activities
from api.modules.activities.tasks import router as tasks
from api.modules.agents.routes import router as agents
from api.modules.analytics.routes import router as analytics
from api.modules.api_keys.routes import router as api_keys
from api.modules.approval_policies.routes import router as approval_policies
from api.modules.approvals.routes import router as approvals
from api.modules.audit.routes import router as audit
from api.modules.auth.routes import router as auth
from api.modules.batch.routes import router as batch
from api.modules.calendar.routes import router as calendar
from api.modules.contacts.routes import router as contacts
from api.modules.custom_fields.routes import router as custom_fields
from api.modules.decisions.routes import of_recommendations as recommendation_decisions
from api.modules.decisions.routes import router as decisions
from api.modules.detectors.routes import router as detectors
from api.modules.duplicates.routes import router as duplicates
from api.modules.emails.routes import router as emails
from api.modules.events.routes import router as events
from api.modules.exports.routes import router as exports
from api.modules.imports.routes import router as imports
from api.modules.intent.briefings import Briefings
from api.modules.intent.routes import router as intent
from api.modules.invitations.routes import router as invitations
from api.modules.leads.routes import router as leads
from api.modules.live.feed import Feed
from api.modules.live.routes import router as live
from api.modules.live.seats import Seats
from api.modules.live.service import Live
from api.modules.merges.routes import router as merges
from api.modules.models.routes import router as models
from api.modules.opportunities.routes import router as opportunities
from api.modules.pipelines.routes import router as pipelines
from api.modules.privacy.routes import router as privacy
from api.modules.profile.routes import router as profile
from api.modules.scores.models import Models
from api.modules.scores.routes import router as scores
from api.modules.search.routes import router as search
from api.modules.sequences.enrolments import router as enrolments
from api.modules.sequences.reactions import react
from api.modules.sequences.routes import router as sequences
from api.modules.sequences.sending import mailboxes, suppressions
from api.modules.sequences.unsubscribe import router as unsubscribe
from api.modules.settings.routes import router as tenant_settings
from api.modules.tags.routes import router as tags
from api.modules.teams.routes import router as teams
from api.modules.timeline.routes import router as timeline
from api.modules.users.routes import router as users
from api.modules.webhooks.routes import router as webhooks
from api.resources import make_resources
from bevyly.clock import Clock, SystemClock
from bevyly.objects import artefact_store
from bevyly.settings import Settings, get_settings
from bevyly.telemetry import configure_logging

# Matched from top to bottom: what is asked most stands first.
AREAS = (
    intent,
    scores,
    accounts,
    contacts,
    opportunities,
    leads,
    activities,
    tasks,
    emails,
    timeline,
    calendar,
    search,
    tags,
    events,
    batch,
    imports,
    exports,
    auth,
    api_keys,
    webhooks,
    users,
    teams,
    tenant_settings,
    profile,
    audit,
    pipelines,
    invitations,
    merges,
    duplicates,
    live,
    custom_fields,
    agents,
    approvals,
    approval_policies,
    analytics,
    privacy,
    sequences,
    enrolments,
    mailboxes,
    suppressions,
    unsubscribe,
    models,
    decisions,
    recommendation_decisions,
    detectors,
)


def keep_out_of_collections() -> None:
    """Have the garbage collector leave alone what lives as long as the process: it would stop for 100 ms to walk it."""
    gc.collect()
    gc.freeze()


def create_app(
    settings: Settings | None = None, *, clock: Clock | None = None, limits: RateLimits | None = None
) -> FastAPI:
    """The API as an ASGI application; it connects when it starts, and closes what it opened when it stops."""
    chosen, rules = settings or get_settings(), limits or RateLimits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(chosen.log_level)
        resources = make_resources(chosen, clock=clock or SystemClock(), limits=rules, reaction=react)
        app.state.resources = resources
        app.state.briefings = Briefings(resources.reader)
        app.state.models = Models(artefact_store(chosen))
        app.state.live = Live(
            Feed(resources.reader, chosen.require_app_database()), Seats(resources.redis, resources.clock)
        )
        keep_out_of_collections()
        try:
            yield
        finally:
            await app.state.live.close()
            await resources.close()

    app = Application(
        title="Bevyly",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"metrics": False, "logs": False},
    )
    problems.install(app)
    app.add_middleware(RequestLimits)
    cors.install(app, chosen)
    app.add_middleware(RequestContext)
    for area in (*AREAS, health.router):
        # The routes themselves, not `include_router`: that would wrap each of them in another layer of matching.
        app.router.routes.extend(area.routes)
    documentation.install(app, rules)
    return app
