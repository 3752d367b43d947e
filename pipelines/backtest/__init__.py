"""Backtests: a past of events replayed day by day through the product's own steps, and what it would have advised."""
