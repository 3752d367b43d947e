"""The database: connections per role, tenant sessions, the unit of work, keyset pages, tables and migrations."""
