"""Sentences that a model writes from the facts of a briefing's item: asked for, checked, kept. Off unless wanted."""
