"""Which Apollo answers: the real one with `APOLLO_API_KEY`, its simulator without."""

from pydantic import SecretStr

from bevyly.clock import Clock
from bevyly.integrations.apollo.client import ApolloClient
from bevyly.integrations.apollo.simulator import SIMULATOR, ApolloSimulator
from bevyly.settings import Settings


def connect_apollo(settings: Settings, *, clock: Clock) -> ApolloClient:
    """A client of Apollo; without a key, one of the simulator, which says so in every answer."""
    if settings.apollo_api_key is None:
        return simulated_apollo(ApolloSimulator(), clock=clock)
    return ApolloClient(api_key=settings.apollo_api_key, base_url=settings.apollo_base_url, clock=clock)


def simulated_apollo(simulator: ApolloSimulator, *, clock: Clock) -> ApolloClient:
    """The same client over `simulator`; its waits between retries take no time."""
    return ApolloClient(
        api_key=SecretStr("simulated"),
        base_url="http://apollo.simulator/api/v1",
        clock=clock,
        provider=SIMULATOR,
        transport=simulator,
        sleep=simulator.sleep,
    )
