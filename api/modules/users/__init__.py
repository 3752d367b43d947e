"""The area users of the API."""
