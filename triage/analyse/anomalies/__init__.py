"""Series of calls, failures and latency: what is unusual for its hour, and the detector for one series."""
