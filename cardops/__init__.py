"""What money, holds, disputes and control totals mean. Knows neither Dagster nor FastAPI."""
