"""What a run and its workers say to each other.

Requests and replies are JSON, each followed by bytes: an image that takes a worker over must not
reach its parent by pickle.
"""

import json
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

Message = tuple[dict[str, Any], bytes]


@dataclass(frozen=True)
class Settings:
    """What a worker is started with: `options` are those of the service, as a JSON object."""

    options: dict[str, Any]
    model: str
    model_file: str
    max_pixels: int


def send(connection: "Connection[Any, Any]", header: dict[str, Any], content: bytes = b"") -> None:
    """Send a request or a reply. Raises OSError if the other side is gone."""
    connection.send_bytes(json.dumps(header).encode())
    connection.send_bytes(content)


def receive(connection: "Connection[Any, Any]") -> Message:
    """Receive a request or a reply. Raises EOFError or OSError if the other side is gone."""
    return json.loads(connection.recv_bytes()), connection.recv_bytes()
