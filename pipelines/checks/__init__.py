"""Asset checks: what has to hold before anything is published."""
