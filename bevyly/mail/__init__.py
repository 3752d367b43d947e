"""Mail out, as far as both doors need it: what a mail is, how it is queued with its cause, how it leaves."""
