"""The area api keys of the API."""
