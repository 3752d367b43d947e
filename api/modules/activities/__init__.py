"""The area activities of the API."""
