"""What every section measures with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench import peer, servers
from bench.cgroup import Cgroup
from bench.pictures import Pictures, make_pictures
from bench.servers import Server
from bench.source import Source, serving

Figures = dict[str, Any]
Section = Callable[["Stage"], Figures]

# More requests inside than the service would admit by default, and longer than it would let them wait.
LOADED = {"BGR_MAX_WAITING": "32", "BGR_DEADLINE": "120"}


@dataclass(frozen=True)
class Stage:
    """The pictures and their source; `quick` asks for few repetitions."""

    pictures: Pictures
    source: Source
    quick: bool

    def times(self, full: int, quick: int) -> int:
        """How often to repeat."""
        return quick if self.quick else full

    @contextmanager
    def ours(self, inside: Cgroup | None = None, /, **environment: str) -> Iterator[Server]:
        """Our service, ready."""
        with self.ours_starting(inside, **environment) as server:
            server.wait_until_ready()
            yield server

    @contextmanager
    def ours_starting(
        self, inside: Cgroup | None = None, /, **environment: str
    ) -> Iterator[Server]:
        """Our service, just started; it may fetch from the source."""
        allowed = {"BGR_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{self.source.server_port}"}
        with servers.ours(
            {**allowed, **environment}, inside.entering([]) if inside else []
        ) as server:
            yield server

    @contextmanager
    def peer(self, **environment: str) -> Iterator[Server]:
        """The peer, ready."""
        with self.peer_starting(**environment) as server:
            server.wait_until_ready()
            yield server

    @contextmanager
    def peer_starting(self, **environment: str) -> Iterator[Server]:
        """The peer, just started."""
        with servers.peer({**peer.environment(), **environment}) as server:
            yield server


@contextmanager
def set_up(quick: bool) -> Iterator[Stage]:
    """Install the peer, make the pictures and serve them."""
    peer.install()
    pictures = make_pictures()
    with serving({f"/{size}": picture for size, picture in pictures.plain.items()}) as source:
        yield Stage(pictures, source, quick)
