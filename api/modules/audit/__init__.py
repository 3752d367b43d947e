"""The area audit of the API."""
