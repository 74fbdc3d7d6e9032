"""Which component most likely caused it: evidence from traces, logs and metrics, and the ranking."""
