"""The model card: what a score was made from, how good it was on later data, what it may be shown as.

Belongs here: the card as plain values, and as Markdown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from models.heads import Facts
from models.scoring import TrainedModel

_FIGURES = ("auc", "pr_auc", "brier", "brier_base", "ece", "lift")


def card_of(model: TrainedModel, *, versions: Mapping[str, str]) -> dict[str, Any]:
    """Plain values, ready for JSON: window, number of rows, tenants with their metrics, contract, versions."""
    window = model.window
    return {
        "score_type": model.score_type,
        "question": model.recipe.question,
        "version_id": model.version_id,
        "as_of": window.as_of.isoformat(),
        "trained_from": window.trained_from and window.trained_from.isoformat(),
        "trained_to": window.trained_to and window.trained_to.isoformat(),
        "n": window.entities,
        "rows": window.rows,
        "seed": window.seed,
        "contract": model.recipe.contract.digest,
        "features": [feature.name for feature in model.newcomer.shape.encoder.features_],
        "horizon_days": model.recipe.horizon_days,
        "versions": dict(versions),
        "tenants": {tenant: _tenant(model.heads[tenant].facts) for tenant in sorted(model.heads)},
    }


def of_tenant(card: Mapping[str, Any], tenant: str, window: Mapping[str, Any]) -> dict[str, Any]:
    """The card as one tenant may read it: its own figures and window, as in the register.

    `window` says besides how many entities were `drawn`, and `of` how many.
    """
    return dict(card) | {
        "n": window["n_outcomes"],
        "rows": window["n_rows"],
        "trained_from": window["trained_from"] and window["trained_from"].isoformat(),
        "trained_to": window["trained_to"] and window["trained_to"].isoformat(),
        "drawn": window["drawn"],
        "of": window["of"],
        "tenants": {tenant: card["tenants"][tenant]},
    }


def of_pool(card: Mapping[str, Any]) -> dict[str, Any]:
    """The card as every tenant may read it: of what others have it says nothing."""
    return dict(card) | {"n": None, "rows": None, "trained_from": None, "trained_to": None, "tenants": {}}


def judged_card(card: Mapping[str, Any], *, moment: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The card with figures on rows that were newer than all it learned from: its own first, then those of others."""
    return dict(card) | {"judged": {"moment": moment, "rows": [dict(row) for row in rows]}}


def render(card: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    lines = [
        f"# {card['score_type'].capitalize()} score",
        "",
        card["question"],
        "",
        f"- version: `{card['version_id']}`",
        *_learned(card),
        f"- as known at: {card['as_of']}, seed {card['seed']}",
        f"- feature contract: `{card['contract'][:16]}`, {len(card['features'])} shared features",
        f"- horizon: {_horizon(card['horizon_days'])}",
        "- made with: " + ", ".join(f"{name} {version}" for name, version in card["versions"].items()),
        "",
    ]
    if card["tenants"]:
        lines += [
            "Judged on later rows than each fold learned from; intervals are 90 % bootstrap intervals.",
            "",
            "| tenant | outcomes | learner | own weight | display | " + " | ".join(_FIGURES) + " |",
            "|" + "---|" * (5 + len(_FIGURES)),
        ]
    lines += [_row(tenant, facts) for tenant, facts in card["tenants"].items()]
    if "judged" in card:
        lines += _judged(**card["judged"])
    return "\n".join(lines) + "\n"


def _learned(card: Mapping[str, Any]) -> list[str]:
    if card["n"] is None:
        return [
            "- learned from: what tenants that pool have in common; it serves those who have too little of their own"
        ]
    lines = [
        f"- learned from: {card['n']} entities ({card['rows']} rows)",
        f"- created: {card['trained_from']} to {card['trained_to']}",
    ]
    if card.get("drawn", 0) < card.get("of", 0):
        drawn = f"{card['drawn']} of {card['of']} entities"
        lines.append(f"- looked at: {drawn}, drawn by a hash of their ids, open ones among them")
    return lines


def _horizon(days: float | None) -> str:
    return "how the entity ends" if days is None else f"won within {days:.0f} days"


def _tenant(facts: Facts) -> dict[str, Any]:
    return {
        "outcomes": facts.outcomes,
        "learner": facts.learner,
        "own_weight": facts.own_weight,
        "display": facts.display,
        "display_reason": facts.display_reason,
        "metrics": dict(facts.metrics),
        "reliability": [dict(row) for row in facts.reliability],
    }


def _row(tenant: str, facts: Mapping[str, Any]) -> str:
    figures = " | ".join(_figure(facts["metrics"], name) for name in _FIGURES)
    return (
        f"| {tenant} | {facts['outcomes']} | {facts['learner']} | {facts['own_weight']:.2f} "
        f"| {facts['display']}: {facts['display_reason']} | {figures} |"
    )


def _judged(moment: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    ours = rows[0]
    return [
        "",
        f"## Judged on newer rows: {moment}",
        "",
        f"{ours['n']} rows, {ours['positives']} of them won, Brier score of the base rate {ours['brier_base']:.3f}. "
        f"A perfectly calibrated model of this sharpness would show an ECE of {ours['ece_noise']:.3f} on so few; "
        f"the mean prediction is off by {ours['mean_off']:+.3f}. Shown as {ours['display']}: {ours['display_reason']}.",
        "",
        "| model | auc (90 % interval) | ours ahead by | pr_auc | brier | ece | lift |",
        "|" + "---|" * 7,
        *(_beside(row) for row in rows),
    ]


def _beside(row: Mapping[str, Any]) -> str:
    ahead = _figure(row, "auc_ahead", signed=True)
    plain = " | ".join("–" if row[name] is None else f"{row[name]:.3f}" for name in ("pr_auc", "brier", "ece", "lift"))
    return f"| {row['model']} | {_figure(row, 'auc')} | {ahead} | {plain} |"


def _figure(metrics: Mapping[str, float], name: str, *, signed: bool = False) -> str:
    if name not in metrics:
        return "–"
    sign = "+" if signed else ""
    value, low, high = (f"{metrics[one]:{sign}.3f}" for one in (name, f"{name}_low", f"{name}_high"))
    return f"{value} ({low} to {high})" if signed else f"{value} ({low}–{high})"
