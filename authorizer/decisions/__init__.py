"""The hot route: request, batch, decision."""
