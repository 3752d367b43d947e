"""OpenAI, by its own package: where it is reached, and with what patience."""
