"""The area teams of the API."""
