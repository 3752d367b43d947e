"""The scratch database that a past is replayed in: it holds what was recorded by the day that is played, nothing else.

Belongs here: putting the past into it. That later events are not there at all is what makes a backtest honest.
"""

from datetime import datetime
from pathlib import Path

from psycopg import sql

from bevyly.objects import FolderStore
from bevyly.settings import as_role
from pipelines.backtest.past import Past
from pipelines.dbt import run_dbt
from pipelines.repositories.staging import stage as into_table
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import Shelf

_MARTS = ("features", "snapshots", "outcomes", "next_actions")
MODELS = tuple(
    f"+{mart}"
    for mart in (
        *(f"{entity}_{mart}" for entity in ("opportunity", "lead") for mart in _MARTS),
        *("account_features", "stage_norms"),
    )
)
_PEOPLE = {"id": "varchar(36)", "email": "varchar(255)", "name": "varchar(255)", "role": "varchar(50)"}
_EVENTS = {
    **dict.fromkeys(("customer_id", "event_id", "subject_id", "causation_id", "correlation_id"), "varchar(36)"),
    **dict.fromkeys(("type", "subject_type", "source", "topic"), "text"),
    **{"schema_version": "smallint", "sequence": "bigint", "partition": "int", "offset": "bigint"},
    **{"occurred_at": "timestamptz", "recorded_at": "timestamptz", "data": "jsonb"},
}


class Stage:
    """One tenant in a database of its own, empty at first. `owner_url` is that database's; `artefacts` and `target` are
    folders for models and for what dbt makes of its project.
    """

    def __init__(self, past: Past, *, owner_url: str, artefacts: Path, target: Path) -> None:
        self._past = past
        self._target = target
        self._until: datetime | None = None
        self.customer_id = past.customer_id
        self.warehouse = Warehouse(url=as_role(owner_url, "bevyly_pipeline"))
        self.shelf = Shelf(FolderStore(artefacts))
        self._found()

    def play(self, day: datetime) -> int:
        """Let everything happen that was recorded up to `day`, and bring features there; how many events that were."""
        new = self._past.recorded(after=self._until, until=day)
        names = sql.SQL(", ").join(map(sql.Identifier, _EVENTS))
        with self.warehouse.connect() as connection:
            into_table(connection, "incoming", new, _EVENTS)
            connection.execute(
                sql.SQL("insert into raw.events ({0}) select {0} from incoming order by recorded_at, sequence").format(
                    names
                )
            )
        self._until = day
        run_dbt(["run", "--select", *MODELS], url=self.warehouse.address, now=day, target=self._target)
        return new.height

    def _found(self) -> None:
        past = self._past
        with self.warehouse.connect() as connection:
            connection.execute(
                "insert into customers (id, name, currency, settings) values (%s, %s, %s, %s)",
                (past.customer_id, past.name, past.currency, past.settings),
            )
            into_table(connection, "people", past.people, _PEOPLE)
            connection.execute(
                "insert into users (customer_id, id, email, name, role) select %s, id, email, name, role from people",
                (past.customer_id,),
            )
