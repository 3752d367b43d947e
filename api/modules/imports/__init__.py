"""Files of records that people send: how they are read, what their rows become, and taking that back."""
