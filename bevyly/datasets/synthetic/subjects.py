"""What the activities of a simulated tenant are about, in words that people write."""

from collections.abc import Mapping
from typing import Final

import polars as pl

_MAILS: Final = (
    *("Two dates for a call", "The figures that you asked for", "How others in your field do it"),
    *("A short recap of today", "Who else should see this?", "Your questions about the contract"),
)
_MEETINGS: Final = (
    *("First look at the product", "Walk through the offer", "Security and data protection"),
    *("Plan of the rollout", "Questions of the team"),
)
_TASKS: Final = ("Send the references", "Ask for the budget", "Prepare the figures", "Check with legal")
_OFFERS: Final = ("Offer for one year", "Offer for three years", "Offer with setup and training")
_SUBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("email.sent", "email.opened", "email.clicked"), _MAILS),
    "email.received": tuple(f"Re: {mail}" for mail in _MAILS),
    "call.completed": ("Call",),
    **dict.fromkeys(("meeting.scheduled", "meeting.completed"), _MEETINGS),
    **dict.fromkeys(("task.created", "task.completed"), _TASKS),
    "page.viewed": ("Prices", "Security", "Customers", "Integrations", "Documentation", "About us"),
    "form.submitted": ("Ask for a demo", "Contact us", "Sign up for the webinar"),
    "proposal.sent": _OFFERS,
    "proposal.replied": tuple(f"Re: {offer}" for offer in _OFFERS),
}


def subject() -> pl.Expr:
    """What an activity is about; those of one serial, such as a mail and its answer, are about the same."""
    return pl.coalesce(
        pl.when(pl.col("type") == type_).then(
            (pl.col("serial") % len(subjects)).replace_strict(dict(enumerate(subjects)), return_dtype=pl.String)
        )
        for type_, subjects in _SUBJECTS.items()
    )
