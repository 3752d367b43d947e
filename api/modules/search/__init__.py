"""The area search of the API."""
