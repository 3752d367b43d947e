"""The decision log as others read it: its chain, whether it holds, and taking it elsewhere. The database writes it."""
