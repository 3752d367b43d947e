"""Backtests of recommendations: orders in which a day's work could have been done, judged by what then happened."""
