"""Columns of files for fields of the tenant's own: each of its type, named as an import names it."""

from dataclasses import dataclass

CSV_TEXT = "case when {0} ~ E'^[=+\\\\-@\\t\\r]' then '''' || {0} else {0} end"
"""A text that a spreadsheet would take for a formula gets an apostrophe before it."""
_TEXT, _ITEMS = "custom_text({0})", "jsonb_array_elements_text(custom_list({0})) item"
_TYPED = {
    "text": _TEXT,
    "url": _TEXT,
    "email": _TEXT,
    "select": _TEXT,
    "number": "custom_number({0})::double precision",
    "boolean": "custom_boolean({0})",
    "date": "custom_date({0})",
    "datetime": "custom_instant({0})",
    "multi_select": f"(select array_agg(item) from {_ITEMS})",
}
# an instant as it is stored: an import reads that, and not what PostgreSQL makes of it
_IN_CELLS = {
    **_TYPED,
    **{kind: CSV_TEXT.format(sql) for kind, sql in _TYPED.items() if sql == _TEXT},
    "datetime": "case when custom_instant({0}) is not null then custom_text({0}) end",
    "multi_select": CSV_TEXT.format(f"(select string_agg(item, ';') from {_ITEMS})"),
}


@dataclass(frozen=True)
class OwnField:
    """A defined field. Its key is a plain word, and may stand in SQL as it is."""

    key: str
    type: str

    @property
    def label(self) -> str:
        """The name of its column."""
        return f"custom.{self.key}"

    def sql(self, *, spreadsheet: bool) -> str:
        """Its value: null where the record has none of its type."""
        return (_IN_CELLS if spreadsheet else _TYPED)[self.type].format(f"r.custom, '{self.key}'")
