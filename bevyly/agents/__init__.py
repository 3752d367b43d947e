"""Agents as both doors know them: which there are, what commands them, what a person must allow first."""
