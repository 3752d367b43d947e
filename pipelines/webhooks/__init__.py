"""Webhooks out: which events go to which endpoints (`fan_out`), and sending them until they arrive (`deliverer`)."""
