"""How a reconciliation looks on a terminal: a table of tenants and days, the verdict, names of what is wrong."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from pipelines.reconciliation.result import Finding, Reconciliation, TenantDay

NAMED = 20
_WORDS = {
    "missing_in_raw": "missing in raw",
    "missing_on_kafka": "missing on Kafka",
    "unknown_origin": "of unknown origin",
    "doubled": "doubled",
    "differing": "differing",
    "out_of_order": "out of order",
}
_COUNTS = {
    "journal": "Journal",
    "kafka": "Kafka",
    "raw": "Raw",
    "set_aside": "Set aside",
    "waiting": "Waiting",
    "repeats": "Repeats",
}


def render(found: Reconciliation, *, console: Console) -> None:
    """Print all of it, with the first names of each kind of damage."""
    window = f"{found.window.since:%Y-%m-%d %H:%M} to {found.window.until:%Y-%m-%d %H:%M} UTC"
    if found.rows:
        console.print(_table(found, title=f"Events published from {window}"))
    else:
        console.print(f"No events were published from {window}.")
    for line in _names(found):
        console.print(line, soft_wrap=True)
    for note in found.notes:
        console.print(f"[yellow]Note:[/] {note}", soft_wrap=True)
    console.print(_conclusion(found))


def _table(found: Reconciliation, *, title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("Tenant", max_width=28, no_wrap=True)
    table.add_column("Day")
    for heading in _COUNTS.values():
        table.add_column(heading, justify="right")
    table.add_column("Verdict")
    for row in found.rows:
        table.add_row(row.tenant, str(row.day), *(_number(getattr(row, count)) for count in _COUNTS), _verdict(row))
    if len(found.rows) > 1:
        table.add_section()
        table.add_row("All", "", *(_number(found.total(count)) for count in _COUNTS), "")
    return table


def _number(value: int) -> str:
    return f"{value:,}" if value else "[dim]·[/]"


def _verdict(row: TenantDay) -> str:
    if row.damage:
        return "[red]" + ", ".join(f"{number:,} {_WORDS[kind]}" for kind, number in row.damage.items()) + "[/]"
    partly = [f"{row.forgotten:,} gone from Kafka"] if row.forgotten else []
    partly += [f"{row.unjournaled:,} older than the journal"] if row.unjournaled else []
    if partly:
        return f"[yellow]the same ({', '.join(partly)})[/]"
    return "[green]nothing missing so far[/]" if row.waiting else "[green]the same[/]"


def _names(found: Reconciliation) -> Iterator[str]:
    tenants = {row.customer_id: row.tenant for row in found.rows}
    for kind, words in _WORDS.items():
        named, total = found.named(kind), found.total(kind)
        if named:
            more = f" (the first {NAMED}; all with --json)" if total > NAMED else ""
            yield f"\n[bold]{total:,} {words}[/]{more}"
            for one in named[:NAMED]:
                yield f"  {_name(one)}  [dim]{tenants.get(one.customer_id, '')}[/]  {one.detail}"


def _name(one: Finding) -> str:
    place = f"{one.topic}/{one.partition}@{one.offset}" if one.topic else ""
    return f"{one.event_id or place}  [dim]{place if one.event_id else ''} {one.published_at:%Y-%m-%d %H:%M:%S}[/]"


def _conclusion(found: Reconciliation) -> str:
    took = f"[dim]({found.seconds:.1f} s)[/]"
    arrived, waiting = found.total("raw"), found.total("waiting")
    on_the_way = f" {waiting:,} are on their way." if waiting else ""
    if not found.proven:
        return f"[red bold]Not proven.[/]{on_the_way} {took}"
    if not found.complete:
        said = "[yellow bold]Proven as far as each place remembers:[/]"
    elif waiting and not arrived:
        return f"[green bold]Nothing is missing so far.[/]{on_the_way} {took}"
    else:
        said = "[green bold]Proven:[/]"
    return f"{said} {arrived:,} events are the same in each place.{on_the_way} {took}"
