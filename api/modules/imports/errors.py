"""What can be wrong with an import."""

from bevyly.errors import Conflict, Forbidden, Invalid


class BadFile(Invalid):
    """The file is empty, or no table of texts."""

    code = "bad_file"


class BadMapping(Invalid):
    """The mapping names a column or a field that does not exist, or lacks what it needs."""

    code = "bad_mapping"


class NotNow(Conflict):
    """The import is in a state in which this cannot be done."""

    code = "import_state"


class MayNotWrite(Forbidden):
    """Who asks may not write records of this kind, or not delete them where that is what it takes."""

    code = "write_not_allowed"
