"""The area opportunities of the API."""
