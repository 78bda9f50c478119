"""A small TCP proxy that cuts or stalls a connection after some bytes went to the server."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Trouble = Literal["cut", "stall", "slow"]
# A slow line: so many bytes at once, so often.
SLOW_BYTES, SLOW_SECONDS = 4096, 0.01


@dataclass
class Proxy:
    """Forwards to `target`; after `after_bytes` towards it, `trouble` begins, `times` times."""

    target: int
    trouble: Trouble
    after_bytes: int
    times: int
    connections: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self.target))
                for end in (client, server):
                    # Else each of its small packets waits for the confirmation of the one before.
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                limit = self.after_bytes if self.connections <= self.times else None
                for source, sink, most in ((client, server, limit), (server, client, None)):
                    arguments = (source, sink, most)
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def close(self) -> None:
        for peer in self._open:
            with suppress(OSError):
                peer.close()

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while block := source.recv(SLOW_BYTES):
                passed += len(block)
                if self.trouble == "slow":
                    time.sleep(SLOW_SECONDS)
                elif limit is not None and passed > limit:
                    self._begin_trouble(source, sink)
                    return
                sink.sendall(block)
        for peer in (source, sink):
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def _begin_trouble(self, source: socket.socket, sink: socket.socket) -> None:
        """A stalled peer keeps the connection open and reads nothing more."""
        if self.trouble == "cut":
            source.close()
            sink.close()


@contextmanager
def troubled(
    target: int, trouble: Trouble, *, after_bytes: int, times: int = 1
) -> Iterator[tuple[Proxy, int]]:
    """The proxy and its port."""
    proxy = Proxy(target, trouble, after_bytes, times)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield proxy, listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            proxy.close()
            thread.join(timeout=5)
