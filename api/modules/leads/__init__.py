"""The area leads of the API."""
