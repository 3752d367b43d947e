"""The area webhooks of the API."""
