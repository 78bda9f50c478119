"""Debian's Apache with the shipped configuration, and a provider of OpenID Connect in front of which people sign in."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.factories.waiting import wait_until
from tests.servers.file_servers import free_port, wait_for_port

ROOT = Path(__file__).resolve().parents[2]
APACHE = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
SHIPPED = ROOT / "deploy" / "proxy" / "cardops-ui.conf"
NEEDED = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "proxy", "proxy_http"),
    "headers",
)
OPERATORS, ANALYSTS = "cardops-operators", "cardops-analysts"
GROUPS = {"ann": [OPERATORS, "staff"], "bob": [ANALYSTS], "eve": ["staff"]}
CONFIGURATION = """\
ServerRoot "{folder}"
ServerName 127.0.0.1
PidFile "{folder}/pid"
Mutex file:{folder}
Listen 127.0.0.1:{port}
ErrorLog "{folder}/error.log"
{modules}
{user}
Define CARDOPS_UI_URL http://127.0.0.1:{port}
Define CARDOPS_OIDC_METADATA_URL {provider}/.well-known/openid-configuration
Define CARDOPS_OIDC_CLIENT_ID cardops
Define CARDOPS_OIDC_CLIENT_SECRET secret
Define CARDOPS_OIDC_PASSPHRASE passphrase
Define CARDOPS_GROUPS_CLAIM groups
Define CARDOPS_OPERATORS {operators}
Define CARDOPS_ANALYSTS {analysts}
Define CARDOPS_UI_PORT {ui}
Define CARDOPS_ANALYST_UI_PORT {analyst_ui}
Define CARDOPS_PAGES_PORT {pages}
Include "{shipped}"
"""


def is_installed() -> bool:
    """Whether Debian's packages apache2 and libapache2-mod-auth-openidc are there."""
    return APACHE.exists() and (MODULES / "mod_auth_openidc.so").exists()


@contextmanager
def provider() -> Iterator[str]:
    """Its address; everybody of GROUPS can sign in."""
    port = free_port()
    people = [
        argument
        for name, groups in GROUPS.items()
        for argument in (
            "--user-claims",
            json.dumps({"sub": name, "email": f"{name}@example.com", "groups": groups}),
        )
    ]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with _running([*command, *people]):
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def apache(folder: Path, provider_url: str, ui: int, analyst_ui: int, pages: int) -> Iterator[str]:
    """The proxy's address, in front of the two UIs and the pages."""
    port = free_port()
    loaded = (f'LoadModule {name}_module "{MODULES}/mod_{name}.so"' for name in NEEDED)
    configuration = folder / "apache2.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            modules="\n".join(loaded),
            provider=provider_url,
            ui=ui,
            analyst_ui=analyst_ui,
            pages=pages,
            shipped=SHIPPED,
            operators=OPERATORS,
            analysts=ANALYSTS,
            user="User www-data\nGroup www-data" if os.getuid() == 0 else "",
        )
    )
    with _running([str(APACHE), "-X", "-f", str(configuration)]):
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"


def sign_in(client: httpx.Client, person: str, path: str = "/runs") -> httpx.Response:
    """The page, by way of the provider's form."""
    form = client.get(path)
    assert "oauth2/authorize" in str(form.url), form.url
    return client.post(form.url, data={"sub": person})


@contextmanager
def _running(command: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            wait_until(lambda: process.poll() is not None, f"the end of {command[0]}")


def plain(text: str) -> str:
    """HTML without its tags."""
    return " ".join(re.sub("<[^>]*>", " ", text).split())
