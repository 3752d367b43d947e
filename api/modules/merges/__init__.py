"""The area merges of the API."""
