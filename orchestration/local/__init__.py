"""`cardops up`: the processes of one home."""
