"""The outside world behind the ports: databases, stores, servers, secrets."""
