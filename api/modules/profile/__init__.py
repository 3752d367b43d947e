"""The area profile of the API."""
