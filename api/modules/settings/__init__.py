"""The area settings of the API."""
