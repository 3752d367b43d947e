"""The briefing as a document: composed from finished frames, rendered for a terminal. Pure: no database, no clock."""
