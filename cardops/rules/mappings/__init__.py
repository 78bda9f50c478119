"""Mappings: how one sender's files of one kind differ from the contract, as a value that is checked once."""
