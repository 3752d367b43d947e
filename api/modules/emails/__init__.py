"""The area emails of the API."""
