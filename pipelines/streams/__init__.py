"""Long-running Kafka processes: outbox relay, signal detector, agent trigger. Nothing here imports Dagster."""
