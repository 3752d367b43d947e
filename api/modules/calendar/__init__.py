"""The area calendar of the API."""
