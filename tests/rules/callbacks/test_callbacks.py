"""The retry schedule, secrets, and which URLs and addresses a callback may reach."""

from datetime import timedelta

import pytest

from cardops.rules.callbacks.callbacks import (
    JITTER,
    RETRY_SECONDS,
    CallbackResponse,
    CallbackState,
    attempt_result,
    retry_after_seconds,
)
from cardops.rules.callbacks.secrets import live_secrets, with_new_secret
from cardops.rules.callbacks.urls import UrlRefused, check_callback_url, is_public_address
from tests.factories.authorizations import NOON, a_callback

HOSTS = {"hooks.example.com"}


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_any_2xx_delivers(code: int) -> None:
    assert (
        attempt_result(a_callback(), CallbackResponse(code), NOON, 0.5).state
        is CallbackState.DELIVERED
    )


@pytest.mark.parametrize("code", [None, 301, 308, 400, 404, 429, 500, 503])
def test_any_other_response_is_retried(code: int | None) -> None:
    result = attempt_result(a_callback(), CallbackResponse(code), NOON, 0.5)

    assert result.state is CallbackState.PENDING
    assert result.next_attempt_at == NOON + timedelta(seconds=5)


def test_410_makes_a_callback_dead() -> None:
    assert (
        attempt_result(a_callback(), CallbackResponse(410), NOON, 0.5).state is CallbackState.DEAD
    )


def test_retries_end_after_the_last_pause() -> None:
    last = len(RETRY_SECONDS)
    before = attempt_result(a_callback(attempt_count=last), CallbackResponse(500), NOON, 0.5)
    after = attempt_result(a_callback(attempt_count=last + 1), CallbackResponse(500), NOON, 0.5)

    assert before.next_attempt_at == NOON + timedelta(seconds=86_400)
    assert after.state is CallbackState.DEAD


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 1 - JITTER), (1.0, 1 + JITTER)])
def test_jitter_spreads_a_pause(jitter: float, factor: float) -> None:
    result = attempt_result(a_callback(attempt_count=2), CallbackResponse(500), NOON, jitter)

    assert result.next_attempt_at == NOON + timedelta(seconds=300 * factor)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("99999999999999999999", 86_400),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 60),
        ("Fri, 20 Nov 2020 12:01:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        (None, 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", 0),
    ],
)
def test_retry_after_is_honoured_up_to_a_day(header: str | None, seconds: float) -> None:
    assert retry_after_seconds(header, NOON) == seconds


def test_retry_after_lengthens_a_pause_and_never_shortens_it() -> None:
    longer = attempt_result(a_callback(), CallbackResponse(503, "60"), NOON, 0.5)
    shorter = attempt_result(a_callback(attempt_count=2), CallbackResponse(503, "60"), NOON, 0.5)

    assert longer.next_attempt_at == NOON + timedelta(seconds=60)
    assert shorter.next_attempt_at == NOON + timedelta(seconds=300)


def test_error_is_cut_and_stripped_of_nul() -> None:
    result = attempt_result(a_callback(), CallbackResponse(error="a\0b" * 1000), NOON, 0.5)

    assert result.error is not None
    assert "\0" not in result.error
    assert len(result.error) == 500


def test_third_secret_retires_the_first() -> None:
    value = None
    secrets = []
    for number in b"123":
        secret, value = with_new_secret(value, bytes([number]) * 32, NOON)
        secrets.append(secret)

    assert live_secrets(value) == [secrets[2], secrets[1]]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://other.example.com/",
        "https://hooks.example.com.evil.test/",
        "https://user@hooks.example.com/",
        "https://hooks.example.com@169.254.169.254/",
        "https://hooks.example.com\\@169.254.169.254/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\n",
        "https://hooks.example.com/ä",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1]/",
        "https://localhost/",
        "https://hooks.example.com:99999/",
        "ftp://hooks.example.com/",
        "//hooks.example.com/",
        "https:///path",
        "https://hooks.example.com/" + "a" * 2048,
        "",
    ],
)
def test_url_that_is_not_clearly_the_partners_is_refused(url: str) -> None:
    assert isinstance(check_callback_url(url, HOSTS | {"127.0.0.1", "2130706433"}), UrlRefused)


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("HTTPS://Hooks.Example.COM:443/a?b=c", "https://hooks.example.com/a?b=c"),
    ],
)
def test_registered_url_is_normalized(url: str, spelled: str) -> None:
    assert check_callback_url(url, HOSTS) == spelled


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a", "http://localhost:1/", "https://[::1]:2/"])
def test_loopback_url_needs_permission(url: str) -> None:
    assert check_callback_url(url, (), may_use_loopback=True) == url
    assert isinstance(check_callback_url(url, ()), UrlRefused)


def test_loopback_permission_covers_no_other_address() -> None:
    checked = check_callback_url("http://169.254.169.254/", (), may_use_loopback=True)

    assert isinstance(checked, UrlRefused)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "fe80::1%eth0",
        "nonsense",
    ],
)
def test_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1"]
)
def test_public_address_is_allowed(address: str) -> None:
    assert is_public_address(address)
