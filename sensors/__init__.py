"""What starts runs: file arrivals, batches ready to deliver, failures to tell of."""
