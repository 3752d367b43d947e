"""What is judged per data set: which score, at which moments, against which rule of thumb."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """One evaluation. `rule` is a column, or `attributes.<key>`.

    `title` stands for the moment where a data set has an order but no clock: then later moments mean nothing, and only
    those judged are learned from.
    """

    score_type: str
    moments: tuple[str, ...]
    rule: str | None = None
    doubtful: bool = False
    title: str | None = None


TASKS: dict[str, tuple[Task, ...]] = {
    "bpic2012": (
        Task(score_type="conversion", moments=("created+7d",), rule="proposals_replied"),
        Task(score_type="win", moments=("opened+0d", "opened+7d", "opened+14d"), rule="proposals_replied"),
    ),
    "x_education": (
        Task(
            score_type="conversion",
            moments=("created+0d",),
            rule="attributes.total_time_on_website",
            doubtful=True,
            title="no post-hoc columns",
        ),
        Task(
            score_type="conversion",
            moments=("created+0d",),
            rule="attributes.total_time_on_website",
            title="creation and web columns only",
        ),
    ),
    "maven_crm": (Task(score_type="win", moments=("opened+0d",)),),
}

FORECASTS = ("bpic2012", "maven_crm")
"""Data sets with deals whose days and amounts can be judged."""

ALIASES = {"maven": "maven_crm"}
