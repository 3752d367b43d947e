"""One detector a file: what calls for the signal, how strong it is, what it says. No frame is read here."""
