"""Values of a tenant's own fields on their way into records: judged by the definitions, in one question at most.

What a record has already is not judged again: a value from before its definition, or one of an archived option, never
stands in the way of another change.
"""

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.custom_fields.errors import InvalidCustomValues
from api.modules.custom_fields.repository import rules_of
from api.modules.custom_fields.types import Refused, Rules

Custom = dict[str, Any]
MAX_ERRORS = 100


class CustomValues:
    """What `custom` may hold in records of one kind, asked when first needed and kept for the unit of work."""

    def __init__(self, session: AsyncSession, customer_id: str, kind: str) -> None:
        self._session = session
        self._customer_id = customer_id
        self._kind = kind
        self._rules: Rules | None = None

    async def rules(self) -> Rules:
        """The definitions as they are committed now."""
        if self._rules is None:
            self._rules = await rules_of(self._session, self._customer_id, self._kind)
        return self._rules

    async def fitted(self, wanted: Custom, before: Custom, *, settled: bool = False) -> Custom:
        """`wanted` in the form in which it is stored, without what is null; raises `InvalidCustomValues`.

        `before` is what the record has. Asks the database only for what is new. `settled` values were stored elsewhere.
        """
        kept = {key: value for key, value in wanted.items() if value is not None}
        new = [key for key, value in kept.items() if key not in before or not _same(value, before[key])]
        if not new:
            return kept
        rules, errors = await self.rules(), []
        for key in new:
            try:
                kept[key] = rules.normal(key, kept[key], settled=settled)
            except Refused as refused:
                errors.append({"field": f"body.custom.{key}", "code": refused.code, "message": str(refused)})
        if errors:
            raise InvalidCustomValues("Some custom fields are not valid.", errors=errors[:MAX_ERRORS])
        return {key: value for key, value in kept.items() if value is not None}

    async def movable(self, stored: Custom, *, besides: Collection[str]) -> Custom:
        """Those of values that one record has which another may take over, and those under the keys `besides`."""
        if not stored:
            return stored
        rules = await self.rules()
        return {key: value for key, value in stored.items() if key in besides or rules.fits(key, value)}


def _same(one: Any, other: Any) -> bool:
    # in Python 1 equals true, and in JSON it does not
    return orjson.dumps(one) == orjson.dumps(other)
