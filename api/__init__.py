"""Door 1: HTTP. One gate in front of every route; reads are bytes from PostgreSQL, writes are units of work."""
