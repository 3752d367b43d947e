"""Signals: something worth noticing about one entity, found by rules over a mart frame as of its own instant."""
