"""From scores to briefings: reading what a step needs, one call into `models`, writing through the repositories."""
