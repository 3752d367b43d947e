"""The area agents of the API."""
