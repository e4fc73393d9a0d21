"""The guard on a whole internet: real look-ups, real connections, and a recorder on every address (tests/support/world.py)."""

import json
import shutil
import subprocess
import sys
from ipaddress import ip_address
from typing import Any

import pytest

from pipeline.fetch.addresses import is_public
from tests.support.environment import ROOT, Record
from tests.support.serving import environment
from tests.support.world import FLIPS, PATHS

_NAMESPACE = ["unshare", "--net", "--mount", "--map-root-user"]


@pytest.fixture(scope="module")
def world() -> Any:
    """What tests/support/world.py saw."""
    if (
        shutil.which("ip") is None
        or subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode != 0
    ):
        pytest.skip(
            "this machine allows no network namespace (unshare --net --mount, and iproute2's ip)"
        )
    command = [*_NAMESPACE, sys.executable, "-m", "tests.support.world"]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout)


@pytest.mark.parametrize("who", ["downloader", "service"])
def test_every_name_has_its_verdict_and_no_other_address_is_connected_to(
    world: Any, who: str
) -> None:
    assert world[who]["codes"] == PATHS
    assert world[who]["connects"]
    assert all(is_public(ip_address(address)) for address in world[who]["connects"])


def test_answers_that_change_between_look_ups_never_lead_inside(
    world: Any, record_property: Record
) -> None:
    codes, connects = world["flips"]["codes"], world["flips"]["connects"]
    assert sum(codes.values()) == FLIPS
    assert codes.keys() == {"ok", "url_not_allowed", "source_unreachable"}
    assert codes["ok"] == sum(connects.values()) > 100
    inside = sum(count for address, count in connects.items() if not is_public(ip_address(address)))
    record_property("answers that change between look-ups: downloads", FLIPS)
    record_property(
        "answers that change between look-ups: connections to a refused address", inside
    )
    assert inside == 0


def test_name_servers_that_do_not_answer_keep_nobody_else_waiting(world: Any) -> None:
    """A look-up that was given up goes on in its thread for a while."""
    assert world["silent"] == {"codes": {"source_timeout": 16}, "and then": ["ok"]}
