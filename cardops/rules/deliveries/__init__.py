"""The delivery of a chargeback file: records, recipe, destinations."""
