"""The area pipelines of the API."""
