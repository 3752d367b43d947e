"""The areas of the API: each `routes → service → repository`; another area only through its service."""
