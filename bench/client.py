"""Requests over loopback, timed from before the connection until the last byte of the answer is read."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

_BOUNDARY = "a-boundary-that-no-picture-has"
_TIMEOUT = 600.0

Request = Callable[[], "Answer"]


@dataclass(frozen=True)
class Answer:
    """An answer and the seconds it took; status 0 where the connection broke."""

    status: int
    seconds: float
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def right(self) -> "Answer":
        """This answer. Raises RuntimeError if it is not 200."""
        if self.status != 200:
            raise RuntimeError(f"answered {self.status}: {self.body[:300]!r}")
        return self


def get(port: int, path: str) -> Answer:
    """GET a path."""
    return _exchange(port, "GET", path, b"", {})


def post_json(port: int, path: str, fields: dict[str, str]) -> Answer:
    """POST a JSON object."""
    return _exchange(
        port, "POST", path, json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )


def post_form(port: int, path: str, file_field: str, file: bytes, fields: dict[str, str]) -> Answer:
    """POST a form with a file."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{file_field}"; filename="picture"\r\n'
    )
    head = "".join(parts) + "Content-Type: application/octet-stream\r\n\r\n"
    body = b"".join((head.encode(), file, f"\r\n--{_BOUNDARY}--\r\n".encode()))
    return _exchange(
        port, "POST", path, body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    )


def _exchange(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        return Answer(
            response.status, time.perf_counter() - started, content, dict(response.getheaders())
        )
    except (OSError, http.client.HTTPException):
        return Answer(0, time.perf_counter() - started)
    finally:
        connection.close()


@dataclass(frozen=True)
class Round:
    """Many requests: their answers, in the order of the requests, and the seconds from the first start to the last end."""

    seconds: float
    answers: list[Answer]

    @property
    def a_second(self) -> float:
        """Right answers a second."""
        return sum(answer.status == 200 for answer in self.answers) / self.seconds

    @property
    def statuses(self) -> dict[str, int]:
        """How many answers had each status."""
        statuses = [answer.status for answer in self.answers]
        return {str(status): statuses.count(status) for status in sorted(set(statuses))}

    @property
    def latencies(self) -> list[float]:
        """The seconds of each."""
        return [answer.seconds for answer in self.answers]


def send_all(requests: Sequence[Request], at_once: int) -> Round:
    """Send them, never more than `at_once` at a time."""
    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda request: request(), requests))
    return Round(time.perf_counter() - started, answers)
