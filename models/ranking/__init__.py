"""Ranking: from signals, patterns and scores to the few actions worth doing, by expected value."""
