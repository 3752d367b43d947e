"""The area accounts of the API."""
