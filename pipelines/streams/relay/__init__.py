"""The relay: publishes what the outbox holds, in its order, at least once. `python -m pipelines.streams.relay` runs it.

Any number of relays may run: one leads, the others stand by. A leader that stalls loses its session within a lease
(`bevyly.db.leadership`); what it may still send when it wakes up was published by its successor before, so no consumer
sees an entity's events in another order.
"""

from pipelines.streams.relay.lead import ROLE, run
from pipelines.streams.relay.publish import BATCH, LeaseDoubtful, Relay

__all__ = ["BATCH", "ROLE", "LeaseDoubtful", "Relay", "run"]
