"""The area models of the API."""
