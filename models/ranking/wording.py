"""How a recommendation reads: a title that names the entity, and two or three sentences that say why and what for.

Belongs here: words. Numbers come in finished.
"""

import polars as pl

from models.ranking.catalogue import BY_ATTENTION, BY_EFFECT
from models.ranking.usefulness import told as answers_told
from models.ranking.value import ATTENTION_MINUTES
from models.signals.detector import OPPORTUNITY
from models.signals.text import money, whole_units

_TITLES = {
    "call": "Call {}",
    "draft_email": "Write to {}",
    "book_meeting": "Book a meeting with {}",
    "add_contact": "Bring a second person into {}",
    "involve_executive": "Bring an executive into {}",
    "set_next_step": "Agree the next step with {}",
    "convert_or_create_opportunity": "Turn {} into an opportunity",
    "enroll_or_pause_sequence": "Put {} on a sequence",
    "correct_close_date": "Correct the close date of {}",
    "correct_amount": "Record the amount of {}",
    "enrich_record": "Complete the record of {}",
    "close_lost": "Close {} as lost",
}
# A deal is a thing to talk about, not somebody to talk to.
_DEAL_TITLES = {
    "call": "Call about {}",
    "draft_email": "Write about {}",
    "book_meeting": "Book a meeting about {}",
    "set_next_step": "Agree the next step on {}",
}
_ANSWERS = {"draft_email": "Answer {}"}
_DEAL_ANSWERS = {"draft_email": "Answer them about {}"}
_DOING = {
    "call": "calling now",
    "draft_email": "writing now",
    "book_meeting": "a meeting this week",
    "add_contact": "a second person on their side",
    "involve_executive": "a word from an executive",
    "set_next_step": "an agreed next step",
    "convert_or_create_opportunity": "an offer now",
    "enroll_or_pause_sequence": "a sequence",
}


def title() -> pl.Expr:
    """The title, at most 255 characters."""
    name = pl.col("name").fill_null("(no name)").str.slice(0, 200)
    deal = pl.col("entity_type") == OPPORTUNITY
    owed = pl.col("finding") == "answer_owed"
    written = pl.lit("Look at {}")
    for titles, where in (
        (_TITLES, pl.lit(value=True)),
        (_DEAL_TITLES, deal),
        (_ANSWERS, owed),
        (_DEAL_ANSWERS, owed & deal),
    ):
        for action_type, text in titles.items():
            written = pl.when((pl.col("action_type") == action_type) & where).then(pl.lit(text)).otherwise(written)
    around = written.str.split("{}").list
    return pl.concat_str(around.first(), name, around.last())


def rationale() -> pl.Expr:
    """What was found, then what acting is worth and on what ground, and what people answered where that matters."""
    found = pl.when(pl.col("told").list.len() > 0).then(pl.col("told").list.join(". ")).otherwise(pl.col("headline"))
    answered = pl.format(" {}", answers_told()).fill_null("")
    return pl.format("{}. {}{}", found, _worth(), answered)


def _worth() -> pl.Expr:
    currency = pl.col("currency")
    low, about, high = (pl.col(f"expected_value_{name}") for name in ("low_minor", "minor", "high_minor"))
    about = money(about, currency)
    span = (
        pl.when(low > 0)
        .then(pl.format("{} to {}", money(low, currency), whole_units(high, currency)))
        .otherwise(pl.format("between nothing and {}", money(high, currency)))
    )
    ground = (
        pl.when(pl.col("basis") == "associative")
        .then(pl.lit("Going by your own history"))
        .otherwise(pl.lit("By a cautious estimate"))
    )
    doing = pl.col("action_type").replace_strict(list(_DOING), list(_DOING.values()), default="acting now")
    return (
        pl.when(pl.col("valued") == BY_EFFECT)
        .then(pl.format("{}, {} is worth about {} ({}).", ground, doing, about, span))
        .when(pl.col("valued") == BY_ATTENTION)
        .then(pl.format(f"Closing it frees about {ATTENTION_MINUTES} minutes for deals that move, worth {{}}.", about))
        .otherwise(pl.lit("A minute's work that keeps the forecast true."))
    )
