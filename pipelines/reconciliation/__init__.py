"""Proof that outbox, Kafka and raw events hold the same events, and replay of what the journal keeps.

Shared by the command line, the asset check and the fault tests. Does not belong here: moving events, which is the
relay's and the ingest's affair.
"""

from pipelines.reconciliation.playback import replay
from pipelines.reconciliation.proof import reconcile
from pipelines.reconciliation.result import Finding, Reconciliation, TenantDay

__all__ = ["Finding", "Reconciliation", "TenantDay", "reconcile", "replay"]
