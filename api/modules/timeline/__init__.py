"""The area timeline of the API."""
