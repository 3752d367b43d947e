"""The API's OpenAPI document, made once a process: it takes long, and is the same for every test."""

from functools import cache
from typing import Any

from api.main import create_app
from bevyly.settings import Settings


@cache
def document() -> dict[str, Any]:
    """The document of an API with the settings of everybody. Not to be changed."""
    return create_app(Settings()).openapi()
