"""The area scores of the API: what they are, why they changed, where they come from, and making them again."""
