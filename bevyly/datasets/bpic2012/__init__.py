"""BPI Challenge 2012 (B. F. van Dongen, doi:10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f) as a sales funnel.

A case of the log is a lead; its first `O_SENT` converts it and opens an opportunity. What the log does not say is not
made up: applicants have numbers for names, no mail addresses, no expected close dates, no next steps.

The answer (`outcome`, `offer_sent`) is not even read from the file: it appears only as the events that decided a case,
when they happened. Everything looks backwards in the log only, so that a log that ends earlier gives the same events
up to there. `recorded_at` is the log's own time: the log *is* the system of record.

Choices where the log leaves room:
- Calls are the pairs START → COMPLETE of three kinds of work; a COMPLETE without START is dropped. Durations are as
  logged, some of them overnight. `W_Afhandelen leads` and `W_Valideren aanvraag` are work without a known conversation:
  internal notes, so that a lead somebody works on does not look untouched. Fraud checks are left out.
- Owner of a lead: the first person (never 112, the automatic system) who works on it; then whoever accepts it. Owner of
  an opportunity: who sent the offer; it changes with the sender of a later offer. Call agents rotate from call to call
  and become owners of nothing by calling.
- An amount of 0 is kept: the applicant asked for that.
"""

from datetime import date, datetime
from pathlib import Path

import polars as pl

from bevyly.datasets import payloads
from bevyly.datasets.bpic2012 import activities, leads, opportunities
from bevyly.datasets.bpic2012.log import NAME, read_cases, read_log, users_of, with_state
from bevyly.datasets.calendar import end_of, shifted, weeks_to_present
from bevyly.datasets.dataset import Dataset, Draft, Tenant, assemble

__all__ = ["NAME", "read"]


def read(
    folder: Path, *, tenant: Tenant, now: datetime, until: date | None = None, shift_weeks: int | None = None
) -> Dataset:
    """The data set up to the end of `until` (a day of the log's own calendar), moved so that it ends about `now`."""
    log = read_log(folder)
    last = log["ts"].max()
    assert isinstance(last, datetime)
    weeks = weeks_to_present(last=last, now=now) if shift_weeks is None else shift_weeks
    known = pl.col("ts") < end_of(until)
    cases = read_cases(folder, tenant).filter(known).with_columns(ts=shifted(pl.col("ts"), weeks))
    log = log.filter(known).with_columns(ts=shifted(pl.col("ts"), weeks))
    users = users_of(log, cases, tenant)
    work = with_state(log.join(cases.drop("ts"), on="case", maintain_order="left"), users)
    return assemble(_draft(cases, work, users), name=NAME, tenant=tenant, shift_weeks=weeks)


def _draft(cases: pl.DataFrame, work: pl.DataFrame, users: pl.DataFrame) -> Draft:
    accounts, contacts = leads.new_accounts(cases), leads.new_contacts(cases)
    new_leads, lead_changes = leads.new_leads(cases), leads.lead_changes(work)
    offers = opportunities.first_offers(work)
    deals, moves = opportunities.new_opportunities(offers), opportunities.stage_moves(work)
    owners = opportunities.owner_changes(work)
    return Draft(
        users=users,
        accounts=accounts,
        contacts=contacts,
        leads=leads.final_leads(new_leads, lead_changes, offers),
        opportunities=opportunities.final_opportunities(deals, moves, owners),
        activities=pl.concat([activities.moments(work), activities.work_done(work)], how="diagonal"),
        changes=opportunities.value_changes(deals, moves),
        events=[
            payloads.created(accounts, "account"),
            payloads.created(contacts, "contact"),
            payloads.created(new_leads, "lead"),
            payloads.updated(lead_changes, "lead", {"status": "status", "owner_id": "owner"}),
            payloads.created(deals, "opportunity"),
            payloads.converted(opportunities.conversions(offers)),
            payloads.updated(owners, "opportunity", {"owner_id": "owner"}),
            payloads.stage_changed(moves),
        ],
    )
