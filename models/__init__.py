"""Machine learning only: frames in, frames out. No database, no event bus, no web, no scheduler."""
