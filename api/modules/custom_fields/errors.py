"""Errors of custom fields and their values."""

from bevyly.errors import Conflict, Invalid


class InvalidCustomValues(Invalid):
    """Some values under `custom` may not be stored; `errors` says which and why."""

    code = "invalid_custom_values"


class TooManyCustomFields(Conflict):
    """The records of this kind have as many fields as they may have."""

    code = "too_many_custom_fields"


class CustomFieldInUse(Conflict):
    """Records have values of the field: it can be archived, not deleted."""

    code = "custom_field_in_use"
