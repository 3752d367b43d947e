"""Many changes of one kind in one call."""
