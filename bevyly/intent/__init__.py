"""What people and pipelines do with recommendations. Does not belong here: how recommendations come about."""
