"""The area tags of the API."""
