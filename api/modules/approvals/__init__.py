"""The area approvals of the API."""
