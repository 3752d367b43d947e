"""The area live of the API."""
