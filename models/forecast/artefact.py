"""The forecast at rest, and its card: one skops file like those of scores (`models.artefacts`).

Belongs here: the card, and reading and writing the bytes. A card of one tenant says nothing of others.
"""

from collections.abc import Mapping
from typing import Any

from models import artefacts
from models.errors import ContractChanged
from models.forecast.model import CONTRACT, ForecastModel
from models.schema import FORECAST

_QUESTION = "When will an open deal be won, for how much, and what do all of them come to?"
_FIGURES = (
    ("days_covered", "days: held by the 80 % interval"),
    ("days_pinball", "days: pinball loss"),
    ("amount_covered", "amount: held by the 80 % interval"),
    ("amount_pinball", "amount: pinball loss, as a share of the amount"),
    ("amount_pinball_unchanged", "amount: the same of the amount as it stands"),
)


def dumps(model: ForecastModel) -> bytes:
    """`model` and its card as the bytes of an artefact."""
    return artefacts.pack(card(model), model.state())


def loads(data: bytes) -> ForecastModel:
    """The model of an artefact's bytes; it forecasts the same frame to the same bits.

    Raises UntrustedArtefact, ContractChanged.
    """
    state = artefacts.content(data)["model"]
    if state["contract"] != CONTRACT.digest:
        raise ContractChanged(
            "The forecast was trained on another feature contract; train it again.",
            artefact=state["contract"],
            code=CONTRACT.digest,
        )
    return ForecastModel.from_state(state)


def card(model: ForecastModel) -> dict[str, Any]:
    """Plain values, ready for JSON."""
    return {
        "score_type": FORECAST,
        "question": _QUESTION,
        "version_id": model.version_id,
        "as_of": model.as_of.isoformat(),
        "seed": model.seed,
        "contract": CONTRACT.digest,
        "horizon_days": None,
        "versions": artefacts.versions(),
        "days_by": model.choice.name,
        "why": model.choice.reason,
        "tenants": {
            tenant: {
                "outcomes": model.outcomes.get(tenant, 0),
                "dependence": model.dependence.get(tenant, model.newcomer_dependence),
                "later": model.choice.by_tenant.get(tenant, {}),
            }
            for tenant in sorted(model.outcomes)
        },
    }


def of_tenant(told: Mapping[str, Any], tenant: str | None) -> dict[str, Any]:
    """The card as one tenant may read it; None stands for those that the model does not know."""
    own = {tenant: told["tenants"][tenant]} if tenant in told["tenants"] else {}
    return {name: value for name, value in told.items() if name != "why"} | {"tenants": own}


def render(told: Mapping[str, Any]) -> str:
    """The card as Markdown; where it says how many deals were `drawn`, and `of` how many, that is told."""
    lines = [
        "# Forecast",
        "",
        told["question"],
        "",
        f"- version: `{told['version_id']}`",
        f"- as known at: {told['as_of']}, seed {told['seed']}",
        f"- days by: {_WORDS[told['days_by']]}",
        "- amounts by: how amounts of won deals changed until the close, by stage and age, shrunk towards all deals",
        "- sums by: independent deals given one shared factor (Gaussian copula)",
        "- made with: " + ", ".join(f"{name} {version}" for name, version in told["versions"].items()),
    ]
    if told.get("drawn", 0) < told.get("of", 0):
        lines.append(f"- looked at: {told['drawn']} of {told['of']} deals, drawn by a hash of their ids")
    if "why" in told:
        lines.append(f"- the additive hazard was {told['why']}")
    for tenant, one in told["tenants"].items():
        lines += [
            "",
            f"## {tenant}",
            "",
            f"{one['outcomes']} deals have ended; correlation of deals {one['dependence']:.3f}.",
        ]
        lines += _later(one["later"])
    if "judged" in told:
        lines += _judged(told["judged"])
    if not told["tenants"]:
        lines += ["", "It serves those who have no ended deals of their own, and says so with wide intervals."]
    return "\n".join(lines) + "\n"


def _judged(report: Mapping[str, Any]) -> list[str]:
    """Figures of a report on a data set."""
    days = [
        f"| {row['model']} | {row['crps']:.3f} | {_figure(row['days_pinball'])} | {_figure(row['days_covered'])} |"
        for row in report["days"]
    ]
    sums = [f"| {row['days']} days, {row['of']} | {row['sums']} | {row['covered']:.3f} |" for row in report["sums"]]
    return [
        "", "## Judged on newer deals", "",
        "| days to a win by | CRPS | pinball | held by the 80 % interval |", "|---|---|---|---|", *days, "",
        "| sum | number | held by the 80 % interval |", "|---|---|---|", *sums,
    ]  # fmt: skip


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


_WORDS = {
    "closing": "Aalen–Johansen by stage and age, shrunk towards all tenants",
    "hazards": "an additive discrete-time hazard on top of Aalen–Johansen by stage and age",
}


def _later(figures: Mapping[str, float]) -> list[str]:
    if not figures:
        return ["No later deals to judge it by."]
    known = [(words, figures[name]) for name, words in _FIGURES if name in figures]
    judged = f"Judged on later deals than taught: {figures['won']:.0f} days, {figures['won_with_amount']:.0f} amounts."
    return [judged, "", "| figure | value |", "|---|---|", *(f"| {words} | {value:.3f} |" for words, value in known)]
