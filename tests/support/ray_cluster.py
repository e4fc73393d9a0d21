"""A Ray cluster on loopback: a head without processors, and machines with one each.

`python -m tests.support.ray_cluster MACHINES` runs it in a process of its own. That prints the
address, removes a machine for each line of its standard input, and ends with it.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from batch.cluster import node_arguments
from tests.support.environment import ROOT
from tests.support.serving import environment

# What keeps Ray's sockets on loopback, its reports at home, and other users out.
LOOPBACK = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


class RayCluster:
    """A cluster that runs: its address, and the process that keeps it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._process = process
        self.address = process.stdout.readline().strip()

    def remove_machine(self) -> None:
        """Kill all processes of a machine."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "removed\n"

    def processes(self) -> list[psutil.Process]:
        """Return the processes of the cluster."""
        return psutil.Process(self._process.pid).children(recursive=True)


@contextmanager
def ray_cluster(machines: int) -> Iterator[RayCluster]:
    """Run a cluster."""
    command = [sys.executable, "-m", "tests.support.ray_cluster", str(machines)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(**LOOPBACK), stdin=pipe, stdout=pipe, text=True
    ) as process:
        yield RayCluster(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


def main() -> None:
    """Run a cluster until standard input ends."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=node_arguments(0))
    machines = [cluster.add_node(**node_arguments(1)) for _ in range(int(sys.argv[1]))]
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(machines.pop(), allow_graceful=False)
        print("removed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
