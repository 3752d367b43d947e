"""Records as files: CSV for spreadsheets, Parquet for programs."""
