"""Watching a version in use: has the base rate moved, have features moved, do its probabilities still come true?"""
