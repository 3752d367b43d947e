"""The kernel of Bevyly: what is true whichever door you came in by.

Belongs here: settings, ids, time, money, errors, the database, events, integrations and the embedded runtime.
Does not belong here: HTTP, Dagster, machine learning. Nothing in this package imports another package of ours.
"""
