"""Real servers whose disk is really full: before the first byte, in a file, and after the first file.

The disk is a small one of its own below the server's inbox, so these need the right to mount.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from cardops.rules.deliveries.recipe import MAX_ATTEMPTS
from cardops.rules.deliveries.records import DeliveryState
from tests.servers.file_servers import (
    SSHD,
    Server,
    card_companies_here,
    ftps,
    openssh,
    small_disk,
)
from tests.servers.sender import Sender, expected_files, received

needs_sshd = pytest.mark.skipif(not Path(SSHD).exists(), reason="no OpenSSH server is installed")
STARTERS: dict[str, Callable[[Path], AbstractContextManager[Server]]] = {
    "asyncssh": card_companies_here,
    "openssh": openssh,
    "ftps": ftps,
}
PAGE_BYTES = 4096
MOMENTS = ["before", "in", "after"]
# The rest is in the long tests.
ORDINARY = {("openssh", "asyncssh", "after")}
CASES = [
    pytest.param(
        kind,
        client,
        moment,
        id=f"{kind}-{client}-{moment}",
        marks=[
            *([needs_sshd] if kind == "openssh" else []),
            *([] if (kind, client, moment) in ORDINARY else [pytest.mark.soak]),
        ],
    )
    for kind, client in (
        ("asyncssh", "asyncssh"),
        ("openssh", "asyncssh"),
        ("openssh", "paramiko"),
        ("ftps", "none"),
    )
    for moment in MOMENTS
]


def room_for(moment: str, csv_bytes: int) -> int:
    """Of a disk that is full then; `after` has room for the CSV and none for its control file."""
    pages = -(-csv_bytes // PAGE_BYTES)
    return PAGE_BYTES * {"before": 1, "in": pages // 2, "after": pages}[moment]


@pytest.mark.parametrize(("kind", "client", "moment"), CASES)
def test_full_disk_leaves_nothing_final_and_is_filled_up_later(
    tmp_path: Path, kind: str, client: str, moment: str
) -> None:
    sender = Sender(row_count=100)
    (name,) = [key for key in sender.store.contents if key.endswith(".csv")]
    room = room_for(moment, len(sender.store.contents[name]))
    with STARTERS[kind](tmp_path) as server:
        secret = server.secret | ({"sftp_client": client} if client != "none" else {})
        with small_disk(server.inbox, room_bytes=room):
            if moment == "before":
                (server.inbox / "theirs.part").write_bytes(b"x" * PAGE_BYTES)
            record = sender.deliver(secret)

            assert not received(server), "a file has its final name"
            assert (record.state, record.attempt_count) == (DeliveryState.MADE, MAX_ATTEMPTS)
            ((subject, message, _),) = sender.notifier.alarms
            assert subject == "Deliveries to visa are paused"
            assert ("make room" if kind != "ftps" else "could not write") in message
        sender.clock.advance(minutes=1)

        assert sender.deliver(secret).state is DeliveryState.DELIVERED
        assert received(server) == expected_files(sender.record)
