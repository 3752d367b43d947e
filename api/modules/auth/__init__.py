"""The area auth of the API."""
