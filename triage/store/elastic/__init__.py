"""The stores on Elasticsearch."""
