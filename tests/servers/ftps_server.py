"""A server that accepts only FTP with TLS, in a process of its own; run by tests.servers.file_servers."""

import sys
from pathlib import Path

# pyftpdlib has no types.
from pyftpdlib.authorizers import DummyAuthorizer  # type: ignore[import-untyped]
from pyftpdlib.handlers import TLS_FTPHandler  # type: ignore[import-untyped]
from pyftpdlib.servers import FTPServer  # type: ignore[import-untyped]


def main(home: Path) -> None:
    """Serve `home` to the user acme; prints the port."""
    authorizer = DummyAuthorizer()
    authorizer.add_user("acme", "s3cret", str(home), perm="elradfmw")
    options = {
        "authorizer": authorizer,
        "certfile": str(home / "server.pem"),
        "tls_control_required": True,
        "tls_data_required": True,
    }
    server = FTPServer(("127.0.0.1", 0), type("Handler", (TLS_FTPHandler,), options))
    sys.stdout.write(f"port {server.address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
