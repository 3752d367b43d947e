"""The query language of all lists: filter, sort, fields, include, count, facets. No list in particular."""
