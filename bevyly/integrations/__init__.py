"""Clients of outside services, one package each, and what they share.

Here: how to speak to a service, and its stand-in when no key is set. Not here: when to ask, or what to do with answers.
"""
