"""Run Python in Linux namespaces of its own."""

import shutil
import subprocess
import sys

import pytest

from tests.support.environment import ROOT
from tests.support.serving import environment


def run_in_namespaces(kinds: tuple[str, ...], *arguments: str, **settings: str) -> bytes:
    """Run Python as root of new namespaces, such as "net"; return its standard output.

    Skip the test if the machine does not allow them.
    """
    unshare = ["unshare", *(f"--{kind}" for kind in kinds), "--map-root-user"]
    trial = subprocess.run([*unshare, "true"], capture_output=True, check=False)
    if trial.returncode != 0 or shutil.which("ip") is None:
        pytest.skip(f"needs namespaces ({' '.join(unshare)}) and ip (apt install iproute2)")
    result = subprocess.run(
        [*unshare, sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr.decode()[-3000:]
    return result.stdout
