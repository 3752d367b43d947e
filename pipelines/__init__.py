"""Data in motion: Dagster assets for batch, long-running streams for single events, and what both share."""
