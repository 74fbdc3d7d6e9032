"""Error groups: their page, what people teach about them, and fingerprint rules."""
