"""Exports of other systems as events: mappings as files, and the command that sends what they make of a folder."""
