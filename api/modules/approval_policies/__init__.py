"""The area approval policies of the API."""
