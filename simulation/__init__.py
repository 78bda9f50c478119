"""The world outside, for the demo and the tests: files, purchases, card companies."""
