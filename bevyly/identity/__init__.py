"""Who may come in, for every door: API keys and passwords. Does not belong here: HTTP, tokens, permissions."""
