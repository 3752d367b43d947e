"""The area decisions of the API."""
