"""Training and scoring between the marts and the tables: when a model is due, which one is in use, what is written."""
