"""Error groups: templates mined from messages, fingerprints, joins, and what people teach."""
