"""What can be wrong with a mapping, a file or a value of an export."""

from bevyly.errors import Invalid


class BadMapping(Invalid):
    """A mapping file does not say what it must."""

    code = "bad_mapping"


class BadExport(Invalid):
    """A folder or a file of an export cannot be read."""

    code = "bad_export"


class BadValue(ValueError):
    """One value cannot be what its field asks for; the text says why."""
