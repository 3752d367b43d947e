"""The catalogue as a Markdown table, for the guide. A test keeps the guide equal to it."""

from models.signals.registry import DETECTORS, thresholds_of

HEAD = "| signal | on | raised when | over when | needs | thresholds |\n|---|---|---|---|---|---|"


def table() -> str:
    """One row a signal, in the order of the catalogue; good news has a +, what may be both a ±."""
    rows = [HEAD]
    for signal_type in dict.fromkeys(one.signal_type for one in DETECTORS):
        own = [one for one in DETECTORS if one.signal_type == signal_type]
        polarity = own[0].polarity if isinstance(own[0].polarity, str) else "±"
        kinds = ", ".join(dict.fromkeys(kind for one in own for kind in one.entity_types))
        mark = "" if polarity == "-" else f" {polarity}"
        names = " ".join(f"`{name}`" for name in thresholds_of(signal_type) if name != "adoption")
        cells = (f"`{signal_type}`{mark}", kinds, own[0].definition, own[0].closes, own[0].needs, names)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
