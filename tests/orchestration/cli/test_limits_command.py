"""`cardops user limits` and `cardops program limits`."""

from collections.abc import Iterator

import pytest

from tests.factories.console import Console, a_home

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        console.run("key", "list")
        yield console


def test_limits_are_set_shown_and_removed(console: Console) -> None:
    console.response("program", "limits", "default", "--day", "500.00", "--month-count", "90")
    result = console.response(
        "user", "limits", "u1", "--day", "20.50", "--window", "24h", "--window-count", "3"
    )

    by_kind = {limit["kind"]: limit for limit in result["limits"]}
    assert set(by_kind) == {"day", "month", "window"}
    assert by_kind["day"]["max_amount_minor"] == 2050
    assert (by_kind["window"]["window_seconds"], by_kind["window"]["used_count"]) == (86_400, 0)
    assert by_kind["month"]["max_count"] == 90

    result = console.response("user", "limits", "u1", "--remove", "day")
    assert {limit["max_amount_minor"] for limit in result["limits"] if limit["kind"] == "day"} == {
        50_000
    }
    assert "20.50" not in console.run("user", "limits", "u1").stdout
    assert "500.00" in console.run("user", "limits", "u1").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--day", "1e3"],
        ["--day", "0"],
        ["--day", "1.005"],
        ["--day-count", "0"],
        ["--window", "24h"],
        ["--window", "32d", "--window-count", "1"],
        ["--window", "soon", "--window-count", "1"],
        ["--window-count", "1"],
        ["--remove", "week"],
        ["--remove", "month"],
        ["--currency", "usd", "--day", "1"],
        ["--program", "nobody"],
    ],
    ids=" ".join,
)
def test_invalid_limit_is_one_sentence_and_changes_nothing(
    console: Console, arguments: list[str]
) -> None:
    done = console.run("user", "limits", "u2", *arguments)

    assert done.returncode == 2
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_block_of_an_id_without_account_says_so(console: Console) -> None:
    done = console.run("user", "block", "nobody-yet")

    assert done.returncode == 0
    assert "User nobody-yet of program default is now blocked." in done.stderr
    assert "Program default has no account of nobody-yet" in done.stderr
