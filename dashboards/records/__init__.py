"""Calls, spans, logs and traces: searched, listed, and drawn as a timeline."""
