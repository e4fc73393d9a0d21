"""An S3 server on loopback, which may refuse every n-th request as S3 does when it is busy."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

_SLOW_DOWN = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@dataclass
class ObjectStore:
    """A running server. Every `refused_every`-th request gets status 503; with 0, none."""

    app: Any
    refused_every: int
    port: int = 0
    refused: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS's libraries find the server, and send telemetry nowhere."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __call__(self, request: dict[str, Any], start_response: Any) -> Any:
        """Answer a request (WSGI)."""
        if self.refused_every and next(self._numbers) % self.refused_every == 0:
            self.refused += 1
            request["wsgi.input"].read(int(request.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [_SLOW_DOWN]
        return self.app(request, start_response)


@contextmanager
def object_store(refused_every: int = 0) -> Iterator[ObjectStore]:
    """Serve an empty S3 in a thread."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    store = ObjectStore(DomainDispatcherApplication(create_backend_app), refused_every)
    server = make_server("127.0.0.1", 0, store, threaded=True)
    store.port = server.port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
