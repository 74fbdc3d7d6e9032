"""Promises between the rooms. Docstrings say MUST; adapters in `triage.store` and `triage.notify` keep them."""
