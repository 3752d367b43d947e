"""Enrichment: what outside providers know of our accounts, bought within a budget and kept with its provenance.

Here: whom to ask about, and what an answer means. Not here: the statements (`pipelines.repositories.enrichments`), the
provider's protocol (`bevyly.integrations`), the asset that runs it.
"""
