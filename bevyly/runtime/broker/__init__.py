"""A durable single-node broker that speaks the Kafka protocol, for one machine and loopback only.

Layers, each importing only those above it: `batches` (record-batch headers) → `segment`, `producers` → `log` (one
partition) → `topics`, `offsets`, `groups` → `codec` (the wire) → `handlers` → `server`. Transactions, replication,
security and quotas are left to Apache Kafka.
"""
