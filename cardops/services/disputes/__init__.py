"""The work queue of disputes: what is open, who works on it, what is due."""
