"""A listener that must never be reached, and every connect of this process."""

from tests.servers.internal_hosts import connects, listener, the_listener

__all__ = ["connects", "listener", "the_listener"]
