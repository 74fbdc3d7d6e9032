"""A believable bank for the demo and for judging the analysis.

In: a seed, a bank, faults with their times. Out: payloads for the product's own front door (OTLP and gateway lines) and
the labelled truth about every fault. This room knows nothing of the others: it is a client like any other.
"""
