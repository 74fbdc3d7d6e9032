"""Signing in, users and tokens, the state of the product, and the probes of load balancers."""
