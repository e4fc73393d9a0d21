"""Small files that ask for much: each is refused, or decoded with little time and memory."""

import json
from typing import Any

import pytest

from serving.settings import Settings
from tests.support.bombs import BOMBS, LATE_BOMBS
from tests.support.environment import Record
from tests.unit.scripts import output_of

# For each file: its code, the least time and the most memory of up to three runs.
SCRIPT = """
import json, re, sys, time
from pathlib import Path
from pipeline.image.decode import decode
from pipeline.errors import BackgroundRemovalError
from pipeline.weights import SAMPLE

def megabytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def code(data):
    try:
        decode(data, 25_000_000).reduced((320, 320))
        return "ok"
    except BackgroundRemovalError as error:
        return error.code

code(SAMPLE.read_bytes())
for file in map(Path, sys.argv[1:]):
    data, times, added = file.read_bytes(), [], []
    # Again if something else of the machine may have made it slow.
    while not times or (len(times) < 3 and 50 <= min(times) < 1000):
        before = megabytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        started = time.perf_counter()
        found = code(data)
        times.append(1000 * (time.perf_counter() - started))
        added.append(megabytes("VmHWM") - before)
    print(json.dumps({"code": found, "milliseconds": min(times), "megabytes": max(added)}))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The code, the time and the memory of each bomb, all decoded in a process of their own."""
    folder = tmp_path_factory.mktemp("bombs")
    for name, (make, _) in {**BOMBS, **LATE_BOMBS}.items():
        assert (folder / name).write_bytes(make()) <= Settings().max_source_bytes
    files = sorted(folder.iterdir())
    lines = map(json.loads, output_of(SCRIPT, *files))
    return {file.name: line for file, line in zip(files, lines, strict=True)}


@pytest.mark.parametrize("milliseconds", [1_000, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_in_the_header_does_not_go_off(
    name: str, milliseconds: float, measured: dict[str, Any], record_property: Record
) -> None:
    bomb = measured[name]
    record_property("bomb refused by its header: milliseconds", bomb["milliseconds"])
    record_property("bomb refused by its header: MB added", bomb["megabytes"])
    assert bomb["code"] == BOMBS[name][1]
    assert bomb["milliseconds"] < milliseconds
    assert bomb["megabytes"] < 8


@pytest.mark.parametrize("name", LATE_BOMBS)
def test_a_bomb_behind_the_header_is_bounded(
    name: str, measured: dict[str, Any], record_property: Record
) -> None:
    """It may take what the largest image may: 10 bytes per pixel, and 5 seconds."""
    bomb = measured[name]
    record_property("bomb behind the header: milliseconds", bomb["milliseconds"])
    record_property("bomb behind the header: MB added", bomb["megabytes"])
    assert bomb["code"] == LATE_BOMBS[name][1]
    assert bomb["milliseconds"] < 5_000
    assert bomb["megabytes"] < 250
