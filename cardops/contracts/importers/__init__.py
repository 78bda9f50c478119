"""Processors' dispute reports as rows of chargebacks, one module a processor."""
