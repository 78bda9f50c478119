"""API7:2023: a callback URL must name a registered host literally.

More hostile URLs are in tests/authorizer/api/test_callback_urls.py, hostile name servers in
tests/adapters/callback_http/test_connects.py.
"""

import statistics
import time

import pytest

from tests.authorizer.owasp.conftest import Target

pytestmark = pytest.mark.database
HOSTILE = [
    "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://127.0.0.1/",
    "https://localhost/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://2130706433/",
    "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://hooks.example.com:22/",
    "https://hooks.example.com:8000/", "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1#@hooks.example.com/", "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com.evil.example/", "https://evil.example/?hooks.example.com",
    "https://hooks.example.com%00.evil.example/", "https://HOOKS.example.com.:443@x/",
    "ftp://hooks.example.com/", "file:///etc/passwd", "gopher://hooks.example.com/", "//hooks.example.com/",
    "https://ⓗooks.example.com/", "https://hooks.example.com\r\nhost: x/", "javascript:alert(1)", "",
    "https://user:pw@hooks.example.com/", "https:hooks.example.com", "https:///hooks.example.com",
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_callback_url_is_refused_and_uses_up_no_id(target: Target, url: str) -> None:
    user = target.a_user()
    body = target.a_body(user)
    refused = target.authorize(body | {"callback_url": url})

    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "callback_url")
    assert url not in refused.body.decode() or not url
    assert target.authorize(body).json["status"] == "PERMIT"


def test_request_resolves_no_host_name(target: Target) -> None:
    """A caller could time DNS look-ups and learn which internal names resolve."""
    user = target.a_user()
    seconds: dict[str, list[float]] = {"10.0.0.1": [], "does-not-exist-{}.invalid": []}
    for number in range(20):
        for host, spent in seconds.items():
            url = f"https://{host.format(number)}/"
            started = time.monotonic()
            assert target.authorize(target.a_body(user, callback_url=url)).status == 422
            spent.append(time.monotonic() - started)
    # A look-up would delay each of them, a busy machine only some, and addresses as well as names.
    of_an_address, of_a_name = map(statistics.median, seconds.values())
    assert of_a_name < max(0.1, 5 * of_an_address)
