"""Two instances behind a real nginx, with the example's own configuration: one is stopped, one is killed, under load."""

import contextlib
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.support.environment import Record, needed
from tests.support.proxy import behind_nginx
from tests.support.serving import serve, stop

CALLERS = 6


class Callers:
    """So many callers, each with its next request as soon as its last is answered."""

    def __init__(self, url: str, photo: bytes) -> None:
        self._url = f"{url}/remove-background/upload"
        self._photo = photo
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        self.answers: Counter[str] = Counter()

    def _call(self) -> None:
        with httpx.Client(timeout=60, trust_env=False) as client:
            while not self._end.is_set():
                try:
                    response = client.post(self._url, files={"image": self._photo})
                    self.answers[str(response.status_code)] += 1
                except httpx.TransportError as exc:
                    self.answers[type(exc).__name__] += 1

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_an_instance_that_is_stopped_loses_nothing(
    photo: bytes, tmp_path: Path, record_property: Record
) -> None:
    with contextlib.ExitStack() as stack:
        instances = [stack.enter_context(serve()) for _ in range(2)]
        proxy = stack.enter_context(
            behind_nginx(needed("nginx", "nginx-light"), instances, tmp_path)
        )
        with Callers(proxy.url, photo) as callers:
            time.sleep(2)
            before = callers.answers.total()
            stop(instances[0])
            time.sleep(2)
        answers = callers.answers
        assert instances[0].process.poll() == 0
        record_property("behind nginx, one of two stopped: answered", answers.total())
        assert answers.keys() == {"200"}
        assert answers.total() > before > 5


def test_an_instance_that_is_killed_loses_at_most_what_it_held(
    photo: bytes, tmp_path: Path, record_property: Record
) -> None:
    with contextlib.ExitStack() as stack:
        instances = [stack.enter_context(serve()) for _ in range(2)]
        proxy = stack.enter_context(
            behind_nginx(needed("nginx", "nginx-light"), instances, tmp_path)
        )
        with Callers(proxy.url, photo) as callers:
            time.sleep(2)
            instances[0].kill()
            time.sleep(2)
        lost = callers.answers.total() - callers.answers["200"]
        record_property("behind nginx, one of two killed: lost", lost)
        assert lost <= CALLERS // 2 + 1
