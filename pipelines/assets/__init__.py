"""Dagster assets. An asset reads, calls one function, writes; the functions live in the packages beside this one."""
