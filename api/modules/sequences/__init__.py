"""The area sequences of the API, and its sequencer."""
