"""The bill of materials of an image, from its inventory."""

import json

from deploy.image.sbom import bill

FOUND = {
    "debian": [{"Package": "libc6", "Version": "2.36-9+deb12u10", "Architecture": "amd64"}],
    "python": [
        ["Pillow", "13.0.0", "MIT-CMU"],
        ["click", "8.5.1", ""],
        ["pillow_heif", "1.8.1", ""],
    ],
    "models": [["u2netp", "1", "ab" * 32]],
}


def test_every_part_has_the_name_that_registries_use() -> None:
    bom = json.loads(bill("image", FOUND))
    parts = {part["bom-ref"]: part for part in bom["components"]}
    assert parts.keys() == {
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64",
        "pkg:pypi/pillow@13.0.0",
        "pkg:pypi/click@8.5.1",
        "pkg:pypi/pillow-heif@1.8.1",
        "model:u2netp@1",
    }
    assert parts["pkg:pypi/pillow@13.0.0"]["licenses"] == [{"license": {"name": "MIT-CMU"}}]
    licenses = parts["pkg:pypi/pillow-heif@1.8.1"]["licenses"]
    assert licenses == [{"license": {"name": "GPL-2.0-or-later"}}]
    assert parts["model:u2netp@1"]["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert bom["metadata"]["component"]["type"] == "container"
    assert {"image", *parts} == {entry["ref"] for entry in bom["dependencies"]}
