"""Statements that assets and streams share, one module per table or concern. Not here: decisions."""
