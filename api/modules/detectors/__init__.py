"""The area detectors of the API."""
