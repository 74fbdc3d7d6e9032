"""Decoding and masking of large bodies in processes of their own, so that more than one core can work on what comes in. They never
open the stores' files, and nothing raw leaves memory: bodies go to them and masked columns come back over a socket pair."""
