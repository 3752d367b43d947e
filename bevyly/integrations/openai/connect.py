"""A client of OpenAI with the key of the settings. Its package retries what is worth it and waits as it is told."""

from openai import OpenAI

from bevyly.errors import MissingDependency
from bevyly.settings import Settings

TIMEOUT = 20.0
"""Seconds for a whole answer."""
RETRIES = 2


def connect_openai(settings: Settings) -> OpenAI:
    """The client; raises `MissingDependency` where there is no key."""
    if settings.openai_api_key is None:
        raise MissingDependency("Wording by OpenAI is off: OPENAI_API_KEY is not set.")
    return OpenAI(
        api_key=settings.openai_api_key.get_secret_value(),
        base_url=settings.openai_base_url,
        timeout=TIMEOUT,
        max_retries=RETRIES,
    )
