"""Sending the mails that were queued (`sender`). What is said in them is the matter of who queues them."""
