"""One module a command or group of commands; each has an `app`, and imports what it needs."""
