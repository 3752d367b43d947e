"""Embedded PostgreSQL, Valkey and Kafka for one machine, and the supervision of Bevyly's own processes.

Here: starting, watching and stopping processes on loopback. Not here: what those processes do.
"""
