"""Rights of people about whom a tenant keeps data: exports, erasures, and purging a deleted record now."""
