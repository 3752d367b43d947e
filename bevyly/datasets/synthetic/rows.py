"""A simulated world as rows and events: what happened up to `until`, and nothing later."""

from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from bevyly.datasets import payloads
from bevyly.datasets.dataset import Draft, Tenant
from bevyly.datasets.jsontext import json_object
from bevyly.datasets.synthetic.calendar import WorkingTime
from bevyly.datasets.synthetic.news import News
from bevyly.datasets.synthetic.subjects import subject
from bevyly.datasets.synthetic.world import World
from bevyly.datasets.tables import INSTANT

NAME: Final = "synthetic"
CURRENCY: Final = "EUR"
_STAGES: Final = ["prospecting", "qualification", "proposal", "negotiation"]
_SLIPS: Final = 4


class Rows:
    """Turns the frames of a world, which count in indexes and working days, into ids and instants."""

    def __init__(self, world: World, *, tenant: Tenant, time: WorkingTime, until: datetime) -> None:
        self._world, self._tenant, self._time, self._until = world, tenant, time, until

    def draft(self, rng: np.random.Generator, touches: dict[str, pl.DataFrame], news: News) -> Draft:
        """Everything that happened by `until`."""
        accounts, contacts = self._accounts(), self._contacts()
        sizes, places = self._sizes(news.sizes), self._places(news.moves)
        leads, changes, conversions = self._leads(), self._lead_changes(touches["lead"]), self._conversions()
        deals, updates = self._deals(), self._deal_updates(rng)
        moves = _with_amounts(self._moves(), deals, updates)
        return Draft(
            users=self._users(),
            accounts=_replaced(accounts, sizes, employee_count="employees_after"),
            contacts=_replaced(contacts, places, account_id="place_after"),
            leads=_final_leads(leads, changes, conversions),
            opportunities=_final_deals(deals, moves, updates),
            activities=self._activities(touches),
            changes=_value_changes(deals, moves, updates),
            events=[
                payloads.created(accounts, "account"),
                payloads.created(contacts, "contact"),
                payloads.updated(sizes, "account", {"employee_count": "employees"}),
                payloads.updated(places, "contact", {"account_id": "place"}),
                payloads.created(leads, "lead"),
                payloads.updated(changes, "lead", {"status": "status"}),
                payloads.converted(conversions),
                payloads.created(deals, "opportunity"),
                payloads.updated(updates, "opportunity", {"expected_close_date": "close", "value_minor": "value"}),
                payloads.stage_changed(moves),
            ],
        )

    def ids(self, kind: str, indexes: pl.Series) -> pl.Series:
        """Ids of the things of `kind` with these indexes."""
        return self._tenant.ids(NAME, kind, keys=indexes).alias(f"{kind}_id")

    def _with_ids(self, frame: pl.DataFrame, **kinds: str) -> pl.DataFrame:
        """`frame` with the id of the thing of each kind whose index its column holds."""
        return frame.with_columns(
            self._tenant.ids(NAME, kind, keys=frame[kind]).cast(pl.String).alias(name) for name, kind in kinds.items()
        )

    def _at(self, frame: pl.DataFrame, days: str, name: str) -> pl.DataFrame:
        """`frame` with the instants of its column `days` as `name`; null stays null."""
        instants = self._time.instants(frame[days].fill_null(0.0).to_numpy())
        instant = pl.Series(instants).dt.replace_time_zone("UTC").cast(INSTANT)
        return frame.with_columns(pl.when(pl.col(days).is_not_null()).then(instant).alias(name))

    def _by_now(self, frame: pl.DataFrame, days: str, name: str) -> pl.DataFrame:
        return self._at(frame, days, name).filter(pl.col(name) <= self._until)

    def _users(self) -> pl.DataFrame:
        reps = self._with_ids(self._world.reps, id="rep")
        return reps.select(
            "id",
            "name",
            email=pl.format(self._tenant.email("rep-{}"), pl.col("rep") + 1),
            role=pl.lit("member"),
            external_id=pl.col("rep").cast(pl.String),
            created_at=pl.lit(self._time.begin, INSTANT),
        )

    def _accounts(self) -> pl.DataFrame:
        number = pl.col("account") + 1
        return self._with_ids(self._world.accounts, id="account").with_columns(
            name=pl.format("Company {}", number),
            domain=pl.format("company-{}.example", number),
            currency=pl.lit(CURRENCY),
            external_id=pl.format("account-{}", number),
            created_at=pl.lit(self._time.begin, INSTANT),
            order=pl.col("account"),
        )

    def _contacts(self) -> pl.DataFrame:
        return self._with_ids(self._world.contacts, id="contact", account_id="account").with_columns(
            email=_email(),
            title=pl.col("seniority").str.replace("_", " "),
            external_id=pl.format("contact-{}", "contact"),
            created_at=pl.lit(self._time.begin, INSTANT),
            order=10_000 + pl.col("contact"),
        )

    def _sizes(self, sizes: pl.DataFrame) -> pl.DataFrame:
        """Headcounts that changed: before and after."""
        known = sizes.join(
            self._world.accounts.select("account", "employee_count"), on="account", maintain_order="left"
        )
        return self._by_now(self._with_ids(known, id="account"), "at", "occurred_at").with_columns(
            employees_before="employee_count",
            employees_after=(pl.col("employee_count") * pl.col("factor")).ceil().cast(pl.Int64),
            key=pl.format("account/{}/size", "account"),
            order=pl.col("account"),
        )

    def _places(self, moves: pl.DataFrame) -> pl.DataFrame:
        """Contacts who went to another account: where they were, where they are."""
        before = self._world.contacts.select("contact", former="account")
        known = moves.join(before, on="contact", maintain_order="left")
        named = self._with_ids(known, id="contact", place_before="former", place_after="account")
        return self._by_now(named, "at", "occurred_at").with_columns(
            key=pl.format("contact/{}/moved", "contact"), order=10_000 + pl.col("contact")
        )

    # -- leads ------------------------------------------------------------------------------------------------------

    def _leads(self) -> pl.DataFrame:
        world = self._world
        people = world.contacts.select("contact", contact_name=pl.format("{} {}", "first_name", "last_name"))
        emails = world.contacts.select("contact", contact_email=_email())
        joined = world.leads.join(people, on="contact", maintain_order="left").join(
            emails, on="contact", maintain_order="left"
        )
        named = self._with_ids(joined, id="lead", account_id="account", contact_id="contact", owner_id="rep")
        return self._by_now(named, "created", "created_at").with_columns(
            company_name=pl.format("Company {}", pl.col("account") + 1),
            status=pl.lit("new"),
            currency=pl.lit(CURRENCY),
            external_id=pl.format("lead-{}", "lead"),
            order=100_000 + pl.col("lead") * 10,
        )

    def _lead_changes(self, touches: pl.DataFrame) -> pl.DataFrame:
        """`working` at our first touch, `qualified` late in the life of a good one, `disqualified` at its end."""
        leads = self._world.leads.with_columns(end=pl.col("created") + pl.col("life"))
        first = touches.filter(pl.col("direction") == "outbound").group_by("lead").agg(at=pl.col("at").min())
        good = leads.filter(pl.col("touched") & (pl.col("won") | (pl.col("interest") > 0.8)))
        steps = [
            first.select("lead", "at", status_after=pl.lit("working")),
            good.select("lead", at=pl.col("created") + 0.6 * pl.col("life"), status_after=pl.lit("qualified")),
            leads.filter(~pl.col("won")).select("lead", at="end", status_after=pl.lit("disqualified")),
        ]
        ordered = pl.concat(steps).sort("lead", "at")
        known = self._by_now(self._with_ids(ordered, id="lead"), "at", "occurred_at")
        rank = pl.col("status_after").replace_strict({"working": 1, "qualified": 2, "disqualified": 3})
        # a lead that was qualified before we wrote to it does not go back
        forward = known.filter(rank == rank.cum_max().over("lead"))
        return forward.with_columns(
            status_before=pl.col("status_after").shift(1).over("lead").fill_null("new"),
            key=pl.format("lead/{}/{}", "lead", "status_after"),
            order=100_000 + pl.col("lead") * 10 + 1,
        )

    def _conversions(self) -> pl.DataFrame:
        deals = self._world.deals.filter(pl.col("lead").is_not_null())
        named = self._with_ids(deals, id="lead", account_id="account", contact_id="contact", opportunity_id="deal")
        return self._by_now(named, "opened", "occurred_at").with_columns(
            key=pl.format("lead/{}/converted", "lead"), order=1_000_000 + pl.col("deal") * 100 + 1
        )

    # -- opportunities ----------------------------------------------------------------------------------------------

    def _deals(self) -> pl.DataFrame:
        """Deals as they were opened."""
        named = self._with_ids(
            self._world.deals,
            id="deal",
            account_id="account",
            contact_id="contact",
            owner_id="rep",
            lead_id="lead",
        )
        planned = self._at(named, "planned_end", "planned_at")
        return self._by_now(planned, "opened", "created_at").with_columns(
            name=pl.format("{} for Company {}", "product", pl.col("account") + 1),
            stage=pl.lit("prospecting"),
            status=pl.lit("open"),
            currency=pl.lit(CURRENCY),
            expected_close_date=pl.col("planned_at").dt.date(),
            external_id=pl.format("deal-{}", "deal"),
            custom=json_object({"product": pl.col("product")}),
            order=1_000_000 + pl.col("deal") * 100,
        )

    def _moves(self) -> pl.DataFrame:
        """Stages entered, and the end."""
        deals = self._world.deals.with_columns(end=pl.col("opened") + pl.col("life"))
        steps = [
            deals.filter(pl.col("reached") >= number).select(
                "deal", at=f"{stage}_at", to_stage=pl.lit(stage), from_stage=pl.lit(_STAGES[number - 1])
            )
            for number, stage in enumerate(_STAGES)
            if number
        ]
        last = pl.col("reached").replace_strict(dict(enumerate(_STAGES)))
        outcome = pl.when("won").then(pl.lit("won")).otherwise(pl.lit("lost"))
        steps.append(deals.select("deal", at="end", to_stage=outcome, from_stage=last))
        known = self._by_now(self._with_ids(pl.concat(steps), id="deal"), "at", "occurred_at")
        ended = pl.col("to_stage").is_in(["won", "lost"])
        return known.with_columns(
            status=pl.when(ended).then("to_stage").otherwise(pl.lit("open")),
            key=pl.format("deal/{}/{}", "deal", "to_stage"),
            order=1_000_000 + pl.col("deal") * 100 + 50,
        )

    def _deal_updates(self, rng: np.random.Generator) -> pl.DataFrame:
        """Close dates that slip before they are reached, and amounts that change once: before and after."""
        slips = self._slips(rng).with_columns(value_after=pl.lit(None, pl.Int64))
        amounts = self._amounts(rng).with_columns(new_end=pl.lit(None, pl.Float64))
        both = pl.concat([slips, amounts], how="diagonal").sort("deal", "at")
        known = self._by_now(self._at(self._with_ids(both, id="deal"), "new_end", "new_date"), "at", "occurred_at")
        first = self._at(self._world.deals, "planned_end", "planned_at").select(
            "deal", first_close=pl.col("planned_at").dt.date(), first_value="value"
        )
        close, value = pl.col("new_date").dt.date(), pl.col("value_after")
        filled = known.join(first, on="deal", maintain_order="left").with_columns(
            close_after=pl.coalesce(close.forward_fill().over("deal"), "first_close"),
            value_after=pl.coalesce(value.forward_fill().over("deal"), "first_value"),
        )
        return filled.with_columns(
            close_before=pl.col("close_after")
            .shift(1)
            .over("deal")
            .fill_null(pl.col("first_close"))
            .dt.to_string("iso"),
            close_after=pl.col("close_after").dt.to_string("iso"),
            value_before=pl.col("value_after").shift(1).over("deal").fill_null(pl.col("first_value")),
            key=pl.format("deal/{}/update/{}", "deal", pl.int_range(pl.len()).over("deal")),
            order=1_000_000 + pl.col("deal") * 100 + 20,
        ).filter((pl.col("close_before") != pl.col("close_after")) | (pl.col("value_before") != pl.col("value_after")))

    def _slips(self, rng: np.random.Generator) -> pl.DataFrame:
        deals = self._world.deals
        due, end = deals["planned_end"].to_numpy().copy(), (deals["opened"] + deals["life"]).to_numpy()
        diligent = np.ones(deals.height, dtype=bool)
        rounds = []
        for _ in range(_SLIPS):
            diligent = diligent & (due < end) & (rng.random(deals.height) < 0.75)
            moved = due + rng.uniform(5, 18, deals.height)
            chosen = np.flatnonzero(diligent)
            rounds.append(pl.DataFrame({"deal": chosen, "at": due[chosen] - 0.6, "new_end": moved[chosen]}))
            due = np.where(diligent, moved, due)
        opened = deals.select("deal", "opened")
        return pl.concat(rounds).join(opened, on="deal").filter(pl.col("at") > pl.col("opened")).drop("opened")

    def _amounts(self, rng: np.random.Generator) -> pl.DataFrame:
        changed = self._world.deals.filter(pl.Series(rng.random(self._world.deals.height) < 0.25))
        factor = pl.Series(rng.uniform(0.7, 1.25, changed.height))
        share = pl.Series(rng.uniform(0.2, 0.8, changed.height))
        return changed.select(
            "deal",
            at=pl.col("opened") + share * pl.col("life"),
            value_after=(pl.col("value") * factor / 10_000).round().cast(pl.Int64) * 10_000,
        )

    # -- activities -------------------------------------------------------------------------------------------------

    def _activities(self, touches: dict[str, pl.DataFrame]) -> pl.DataFrame:
        world = self._world
        of_deals = touches["deal"].join(
            world.deals.select("deal", "account", "rep", "lead"), on="deal", maintain_order="left"
        )
        of_leads = touches["lead"].join(world.leads.select("lead", "account", "rep"), on="lead", maintain_order="left")
        both = pl.concat([of_deals, of_leads], how="diagonal")
        # a meeting or task is one activity from plan to end; every mail, call or visit is its own
        group = pl.when(pl.col("kind").is_in(["meeting", "task"])).then("kind").otherwise("type")
        owner = pl.when(pl.col("deal").is_not_null()).then(pl.lit("deal")).otherwise(pl.lit("lead"))
        both = both.with_columns(activity=pl.format("{}/{}/{}", owner, group, "serial"))
        named = self._with_ids(
            both,
            id="activity",
            account_id="account",
            contact_id="contact",
            opportunity_id="deal",
            lead_id="lead",
            owner_id="rep",
        )
        people = world.contacts.select("contact", contact_email=_email(), contact_role="role")
        known = self._by_now(self._at(named, "due", "due_at"), "at", "occurred_at")
        planned = pl.col("type").is_in(["meeting.scheduled", "task.created"])
        return known.join(people, on="contact", maintain_order="left").with_columns(
            subject=subject(),
            completed_at=pl.when(~planned).then("occurred_at"),
            external_id="activity",
            key=pl.format("{}/{}", "activity", "type"),
            order=pl.int_range(pl.len()) + 10_000_000,
        )


def _replaced(rows: pl.DataFrame, changes: pl.DataFrame, **columns: str) -> pl.DataFrame:
    """`rows` in their latest state: columns with the value that `changes` has for them, where it has one."""
    latest = changes.select("id", *(pl.col(column).alias(f"{name}_now") for name, column in columns.items()))
    joined = rows.join(latest, on="id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(f"{name}_now", name).alias(name) for name in columns)


def _email() -> pl.Expr:
    return pl.format("contact-{}@company-{}.example", "contact", pl.col("account") + 1)


def _with_amounts(moves: pl.DataFrame, deals: pl.DataFrame, updates: pl.DataFrame) -> pl.DataFrame:
    """`moves` with the amount that the deal had at that time."""
    amounts = updates.select("id", "occurred_at", "value_after").sort("occurred_at")
    return (
        moves.sort("occurred_at")
        .join_asof(amounts, on="occurred_at", by="id", check_sortedness=False)
        .join(deals.select("id", "value", "currency"), on="id", maintain_order="left")
        .with_columns(value=pl.coalesce("value_after", "value"))
    )


def _final_leads(leads: pl.DataFrame, changes: pl.DataFrame, conversions: pl.DataFrame) -> pl.DataFrame:
    latest = changes.group_by("id").agg(pl.col("status_after").sort_by("occurred_at").last())
    became = conversions.select("id", "opportunity_id", converted_at="occurred_at")
    converted = pl.col("converted_at").is_not_null()
    return (
        leads.join(latest, on="id", how="left")
        .join(became, on="id", how="left")
        .with_columns(
            status=pl.when(converted).then(pl.lit("converted")).otherwise(pl.coalesce("status_after", "status"))
        )
    )


def _final_deals(deals: pl.DataFrame, moves: pl.DataFrame, updates: pl.DataFrame) -> pl.DataFrame:
    stage = moves.group_by("id").agg(pl.col("to_stage", "status", "occurred_at").sort_by("occurred_at").last())
    values = updates.group_by("id").agg(pl.col("close_after", "value_after").sort_by("occurred_at").last())
    return (
        deals.join(stage, on="id", how="left")
        .join(values, on="id", how="left")
        .with_columns(
            stage=pl.coalesce("to_stage", "stage"),
            status=pl.coalesce("status_right", "status"),
            stage_entered_at=pl.coalesce("occurred_at", "created_at"),
            closed_at=pl.when(pl.col("status_right") != "open").then("occurred_at"),
            expected_close_date=pl.coalesce(pl.col("close_after").str.to_date(), "expected_close_date"),
            value=pl.coalesce("value_after", "value"),
        )
    )


def _value_changes(deals: pl.DataFrame, moves: pl.DataFrame, updates: pl.DataFrame) -> pl.DataFrame:
    """Values of stage, close date and amount in the order in which deals took them."""
    opened = deals.with_columns(key=pl.lit("opportunity.created/") + pl.col("id"), occurred_at="created_at")
    closes = updates.filter(pl.col("close_before") != pl.col("close_after"))
    amounts = updates.filter(pl.col("value_before") != pl.col("value_after"))
    parts = [
        (opened, "stage", pl.col("stage")),
        (opened, "expected_close_date", pl.col("expected_close_date").dt.to_string("iso")),
        (opened, "value", pl.col("value").cast(pl.String)),
        (moves, "stage", pl.col("to_stage")),
        (closes, "expected_close_date", pl.col("close_after")),
        (amounts, "value", pl.col("value_after").cast(pl.String)),
    ]
    return pl.concat(
        frame.select(
            "key",
            pl.col("order").cast(pl.Int64),
            opportunity_id="id",
            field=pl.lit(field),
            new_value=value,
            valid_from="occurred_at",
        )
        for frame, field, value in parts
    )
