"""A file in a format that a library parses whole, as lines of JSON in the contract's own names."""

import io
import json
from typing import TYPE_CHECKING, BinaryIO, Final

from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.errors import ExplainedError

if TYPE_CHECKING:
    from cardops.contracts.kinds.contract import Converter

# Such a file is parsed in memory; a day of a busy account is a few MiB.
MAX_BYTES: Final = 32 * 1024 * 1024


def converted(name: str, stream: BinaryIO, convert: "Converter") -> BinaryIO:
    """The rows as NDJSON. Raises FileRefusedError where the file cannot be understood."""
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FileRefusedError(
            f"{name} is larger than {MAX_BYTES // 1024**2} MiB, so nothing was ingested: send it as "
            "several files, or as CSV or Parquet."
        )
    try:
        lines = [json.dumps(row, ensure_ascii=False) for row in convert(content)]
    except ExplainedError as error:
        raise FileRefusedError(
            f"{name}: {error}, so nothing was ingested: send the file again as the bank made it."
        ) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileRefusedError(
            f"{name} is not what its name says or is damaged ({reason[:300]}), so nothing was "
            "ingested: send the file again as the bank made it."
        ) from error
    return io.BytesIO("\n".join(lines).encode())
