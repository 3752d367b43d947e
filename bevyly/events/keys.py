"""Message keys: which events share a partition and thereby keep their order.

A tenant's events share one key, so they keep their order among each other. A tenant too large for one partition is
spread: the events of one entity share a key and keep theirs. `pipelines.streams.spreads` decides who is, and switches
without turning an entity's events round.
"""

# `murmur2_random`, the partitioner of our producer and of Kafka's Java client
_SEED = 0x9747B28C
_FACTOR = 0x5BD1E995
_MASK = 0xFFFFFFFF


def message_key(customer_id: str, subject: str, spread: bool) -> str:
    """The Kafka key of an event about `subject` (`opportunity/0192…`); the relay computes the same in SQL."""
    return f"{customer_id}/{subject}" if spread else customer_id


MESSAGE_KEY = """
case when customer_id = any(%(spread)s) then customer_id || '/' || (envelope::json ->> 'subject') else customer_id end
"""
"""`message_key` of a row of the outbox, in SQL; `spread` is the list of tenants that are."""


def partition_for(key: str, partitions: int) -> int:
    """The partition, of so many, that the producer chooses for `key`."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    whole = len(data) & ~3
    mixed = (_SEED ^ len(data)) & _MASK
    for start in range(0, whole, 4):
        part = int.from_bytes(data[start : start + 4], "little") * _FACTOR & _MASK
        mixed = (mixed * _FACTOR ^ (part ^ part >> 24) * _FACTOR) & _MASK
    if whole < len(data):
        mixed = (mixed ^ int.from_bytes(data[whole:], "little")) * _FACTOR & _MASK
    mixed = (mixed ^ mixed >> 13) * _FACTOR & _MASK
    return mixed ^ mixed >> 15
