"""Briefings as people and programs read them: pages, cards, what changed between two. Pure: documents in.

What a briefing says is composed by `pipelines.briefing`; here it is a stored document that never changes.
"""
