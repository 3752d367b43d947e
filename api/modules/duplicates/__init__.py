"""The area duplicates of the API."""
