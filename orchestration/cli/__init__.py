"""The `cardops` command."""
