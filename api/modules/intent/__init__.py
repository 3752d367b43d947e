"""The area intent of the API."""
