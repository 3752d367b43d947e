"""How good the scores are on public data sets: loading into a scratch database, dbt features, evaluation, a table."""
