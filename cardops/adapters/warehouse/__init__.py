"""The lake, the DuckDB warehouse and dbt."""
