"""The stores of one process: DuckDB files by day for records, SQLite for state."""
