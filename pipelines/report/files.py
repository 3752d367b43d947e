"""A report as files: one folder per judged score with its plots and its card, and all figures as JSON.

Belongs here: names and formats of these files. What is in them comes from `run`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models import artefacts
from models.card import judged_card, render
from models.evaluation import Judgement
from models.forecast.artefact import card
from models.forecast.artefact import render as render_forecast
from models.forecast.evaluation import ForecastReport
from pipelines.report.plots import PLOTS

FIGURES = "report.json"


def write_report(folder: Path, name: str, judgements: Sequence[Judgement]) -> list[Path]:
    """Write `folder`/`name`: report.json, and per judgement a folder with card.md, card.json and a PNG per plot.

    What an earlier report of the same name left there is overwritten. Returns the files.
    """
    top = folder / name
    files = [top / FIGURES]
    for judgement in judgements:
        files += _write_one(top / slug(judgement), judgement)
    told = [{"folder": slug(one), "moment": one.moment, "rows": one.rows, "curves": one.curves} for one in judgements]
    files[0].write_text(json.dumps({"dataset": name, "judged": told}, indent=1) + "\n")
    return files


def write_forecast(folder: Path, name: str, report: ForecastReport) -> list[Path]:
    """Write `folder`/`name`/forecast: card.md, and card.json with the figures on later deals."""
    top = folder / name / "forecast"
    top.mkdir(parents=True, exist_ok=True)
    told = card(report.model) | {"judged": report.plain()}
    text, values = top / "card.md", top / "card.json"
    text.write_text(render_forecast(told))
    values.write_text(json.dumps(told, indent=1) + "\n")
    return [text, values]


def slug(judgement: Judgement) -> str:
    """The folder of a judgement: its score and its moment."""
    moment = re.sub(r"[^a-z0-9]+", "-", judgement.moment.lower()).strip("-")
    return f"{judgement.model.score_type}-{moment}"


def _write_one(folder: Path, judgement: Judgement) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    card = judged_card(artefacts.card(judgement.model), moment=judgement.moment, rows=judgement.rows)
    text, values = folder / "card.md", folder / "card.json"
    text.write_text(render(card))
    values.write_text(json.dumps(card, indent=1) + "\n")
    files = [text, values]
    for name, draw in PLOTS.items():
        figure = Figure(figsize=(5.6, 4.2), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot(), judgement.curves)
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1])
    return files
