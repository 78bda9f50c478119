"""A queue that speaks the protocol of SQS, for tests with more messages than moto's can hold.

moto looks at every message of a queue several times for each that is sent or received: 2,000 messages cost
it minutes. Here each costs the same, however many there are. What a queue does is compared with moto's in
tests/adapters/aws/test_queue_server.py.
"""

import heapq
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass
class Stored:
    """A message. `receipt` is that of its last receive; `visible_at` None while it is visible."""

    number: int
    body: str
    receives: int = 0
    receipt: str = ""
    visible_at: float | None = None


class Queue:
    """One queue with its dead letters, in memory; a standard queue, which may tell a message twice."""

    def __init__(self, max_receives: int) -> None:
        self.dead: list[str] = []
        self.operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "SendMessageBatch": self._send,
            "ReceiveMessage": self._receive,
            "DeleteMessageBatch": self._delete,
            "ChangeMessageVisibilityBatch": self._extend,
            "GetQueueAttributes": self._attributes,
        }
        self._max_receives = max_receives
        self._numbers = itertools.count(1)
        self._messages: dict[int, Stored] = {}
        self._visible: deque[int] = deque()
        self._hidden: list[tuple[float, int]] = []
        self._changed = threading.Condition()

    def left(self) -> int:
        """Messages that are not deleted, visible or not."""
        with self._changed:
            return len(self._messages)

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._changed:
            sent = []
            for entry in request["Entries"]:
                number = next(self._numbers)
                self._messages[number] = Stored(number, entry["MessageBody"])
                self._visible.append(number)
                sent.append({"Id": entry["Id"], "MessageId": str(number), "MD5OfMessageBody": ""})
            self._changed.notify_all()
        return {"Successful": sent, "Failed": []}

    def _receive(self, request: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + request.get("WaitTimeSeconds", 0)
        with self._changed:
            while True:
                now = time.monotonic()
                found = list(
                    itertools.islice(self._next_visible(now), request.get("MaxNumberOfMessages", 1))
                )
                if found or now >= until:
                    break
                wake = min(until, self._hidden[0][0] if self._hidden else until)
                self._changed.wait(max(0.0, wake - now))
            for message in found:
                message.receives += 1
                message.receipt = f"{message.number}/{message.receives}"
                self._hide(message, request.get("VisibilityTimeout", 30))
        return {"Messages": [_as_told(message) for message in found]}

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._changed:
            for entry in request["Entries"]:
                self._messages.pop(_number(entry), None)
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}

    def _extend(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._changed:
            for entry in request["Entries"]:
                message = self._messages.get(_number(entry))
                if message and message.receipt == entry["ReceiptHandle"] and message.visible_at:
                    self._hide(message, entry["VisibilityTimeout"])
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}

    def _attributes(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"ApproximateNumberOfMessages": str(self.left())}}

    def _hide(self, message: Stored, seconds: float) -> None:
        message.visible_at = time.monotonic() + seconds
        heapq.heappush(self._hidden, (message.visible_at, message.number))

    def _next_visible(self, now: float) -> Iterator[Stored]:
        while self._hidden and self._hidden[0][0] <= now:
            at, number = heapq.heappop(self._hidden)
            message = self._messages.get(number)
            if message and message.visible_at == at:
                message.visible_at = None
                self._visible.append(number)
        while self._visible:
            message = self._messages.get(self._visible.popleft())
            if message is None:
                continue
            if message.receives >= self._max_receives:
                self.dead.append(self._messages.pop(message.number).body)
                continue
            yield message


def _number(entry: dict[str, Any]) -> int:
    return int(entry["ReceiptHandle"].partition("/")[0])


def _as_told(message: Stored) -> dict[str, Any]:
    return {
        "MessageId": str(message.number),
        "ReceiptHandle": message.receipt,
        "Body": message.body,
    }


@contextmanager
def queue_server(max_receives: int = 5) -> Iterator[tuple[Queue, str]]:
    """A queue, and its URL on loopback, which is that of its endpoint too."""
    queue = Queue(max_receives)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            body = json.dumps(queue.operations[operation](request)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a request is no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing: a reader that is killed in the middle of a request is what tests do."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield queue, f"http://127.0.0.1:{server.server_address[1]}/arrivals"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
