"""The guard against private addresses, in a small internet (tests/support/world.py).

Look-ups and connections are real, and every address records its connections.
"""

import json
from ipaddress import ip_address
from typing import Any

import pytest

from pipeline.fetch.addresses import is_public
from tests.support.environment import Record
from tests.support.namespaces import run_in_namespaces
from tests.support.world_names import PATHS

# Downloads by names whose addresses change at every look-up. A quarter of them should succeed.
FLIPS = pytest.mark.parametrize(
    "flips", [100, pytest.param(1_000, marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="module")
def flips(request: pytest.FixtureRequest) -> int:
    """Return the number of downloads by changing names."""
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def world(flips: int) -> Any:
    """Run the world; return what became of every URL."""
    arguments = ("-m", "tests.support.world", str(flips))
    return json.loads(run_in_namespaces(("net", "mount"), *arguments))


@FLIPS
@pytest.mark.parametrize("client", ["downloader", "service"])
def test_every_name_has_its_verdict_and_no_private_address_is_connected_to(
    world: Any, client: str
) -> None:
    assert world[client]["codes"] == PATHS
    assert world[client]["connects"]
    assert all(is_public(ip_address(address)) for address in world[client]["connects"])


@FLIPS
def test_answers_that_change_between_look_ups_never_lead_to_a_private_address(
    world: Any, flips: int, record_property: Record
) -> None:
    codes, connects = world["flips"]["codes"], world["flips"]["connects"]
    assert sum(codes.values()) == flips
    assert codes.keys() == {"ok", "url_not_allowed", "source_unreachable"}
    assert codes["ok"] == sum(connects.values()) > flips / 10
    private = [address for address in connects if not is_public(ip_address(address))]
    label = "answers that change between look-ups"
    record_property(f"{label}: downloads", flips)
    record_property(
        f"{label}: connections to a refused address", sum(connects[one] for one in private)
    )
    assert not private


@FLIPS
def test_silent_name_servers_delay_no_other_download(world: Any) -> None:
    """A look-up that was given up continues in its thread for a while."""
    assert world["silent"] == {"codes": {"source_timeout": 16}, "and then": ["ok"]}
