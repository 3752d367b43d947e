"""The area analytics of the API."""
