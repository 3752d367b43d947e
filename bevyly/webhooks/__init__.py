"""Webhooks out, as far as both doors need them: where one may be sent, who wants what, how it is signed."""
