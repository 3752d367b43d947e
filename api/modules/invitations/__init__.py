"""The area invitations of the API."""
