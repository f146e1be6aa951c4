"""An OpenStack API that is answered by this process: the server, and the credentials for it. What it answers, others know."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = tuple[int, Any, dict[str, str]]
"""Status, body (JSON, or bytes, or nothing), and further headers."""


class OpenStackApi:
    """A context manager; one request is answered at a time."""

    def __enter__(self) -> Self:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._body()
                with api._one_at_a_time:
                    status, said, headers = api.answer(self.command, self.path, body)
                data = said if isinstance(said, bytes) else b"" if said is None else json.dumps(said).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def _chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names are http.server's

            def log_message(self, format: str, *args: object) -> None:
                """The output is the tests' own."""

        self._one_at_a_time = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The credentials, as OpenStack's own tools take them."""
        names = {"USERNAME": "admin", "PASSWORD": "secret", "PROJECT_NAME": "admin", "USER_DOMAIN_NAME": "Default"}
        names |= {"PROJECT_DOMAIN_NAME": "Default", "AUTH_URL": f"{self.url}/identity/v3", "REGION_NAME": "RegionOne"}
        return {f"OS_{name}": value for name, value in names.items()}

    @property
    def openrc(self) -> str:
        """The text of a script that gives them."""
        return "".join(f"export {name}='{value}'\n" for name, value in self.environment.items())

    def answer(self, method: str, url: str, body: bytes) -> Answer:
        """Answer a request."""
        raise NotImplementedError
