"""The area custom fields of the API."""
