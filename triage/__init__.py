"""Gateway Triage: what is broken in a bank's open-banking API platform, for whom, since when and why."""

__version__ = "0.1.0"
