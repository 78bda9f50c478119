"""Which GraphQL queries the UI refuses unread: checking one takes the square of its length, and holds up everybody."""

from typing import Any, Final

# The longest of the UI's own pages has 8,000.
MAX_CHARACTERS: Final = 50_000


def query_problem(query: Any) -> str | None:
    """Why the query is not read; None for one that is."""
    if not isinstance(query, str):
        return "A GraphQL query is a text, and this is none. Send it as a string."
    if len(query) > MAX_CHARACTERS:
        return (
            f"The GraphQL query has {len(query):,} characters, and {MAX_CHARACTERS:,} are read at most. Ask in "
            "several requests, and put long values into variables."
        )
    return None
