"""The area contacts of the API."""
