"""The OpenAPI document: how it is put together, its examples, its page, and what it may no longer change."""

from api.documentation.document import document_of, install

__all__ = ["document_of", "install"]
