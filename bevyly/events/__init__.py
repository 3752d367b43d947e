"""Events: envelope, catalogue of types and topics, contracts as files, the bus, dead letters."""
