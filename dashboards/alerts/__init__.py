"""Who is told of what: receivers, deliveries, silences."""
