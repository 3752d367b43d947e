"""Clients of the API, generated from its document; the generated sources are not kept."""
