"""Patterns: signals that occur together on one entity, and what that has meant so far."""
