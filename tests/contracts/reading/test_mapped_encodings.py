"""Files in other encodings: a byte that is no text costs its row, and no order of bytes is guessed."""

import pytest

from cardops.contracts.reading.source import FileRefusedError
from tests.factories.mapped_files import GERMAN, judged


def test_bytes_that_the_encoding_lacks_cost_their_own_row() -> None:
    header = b"Kunde;Betrag;Beleg;Zeit\n"
    good = b"u1;25,00;d1;20.11.2026 10:00\n"

    valid, quarantined = judged(header + b"u\x81;1,00;d0;20.11.2026 10:00\n" + good, GERMAN)

    assert [row["deposit_id"] for row in valid] == ["d1"]
    assert [row["reasons"] for row in quarantined] == [["bad_encoding"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_file_without_byte_order_mark_is_refused_and_not_guessed(encoding: str) -> None:
    content = "user_id,amount,deposit_id,timestamp\n".encode(f"{encoding}-be")

    with pytest.raises(FileRefusedError, match=f"a.csv has no byte order mark.*{encoding}-be"):
        judged(content, {"encoding": encoding})
