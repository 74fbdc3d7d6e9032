"""In: Notice. Out: Delivery. Tells receivers what changed, signed, with retries, and records every attempt."""
