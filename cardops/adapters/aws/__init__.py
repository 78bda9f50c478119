"""Amazon Web Services: clients and what they share."""
