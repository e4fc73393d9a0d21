"""The software bill of materials of an image, in CycloneDX's JSON: `python deploy/image/sbom.py ENGINE IMAGE` prints it.

What is listed is what is there: the image itself is asked for its Debian packages, its Python packages and its model's weights.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

# Runs in the image, on what is there.
INVENTORY = r"""
import hashlib, json, os, re
from importlib.metadata import distributions
from pathlib import Path

status = Path("/var/lib/dpkg/status")
fields = [dict(re.findall(r"^(Package|Version|Architecture): (.*)$", entry, re.M)) for entry in status.read_text().split("\n\n")]
models = Path(os.environ["BENTO_PATH"], "models").glob("*/*/*.onnx")
print(json.dumps({
    "debian": [entry for entry in fields if "Version" in entry],
    "python": [[d.name, d.version, d.metadata.get("License-Expression") or ""] for d in distributions()],
    "models": [[str(m.parent.parent.name), m.parent.name, hashlib.sha256(m.read_bytes()).hexdigest()] for m in models],
}))
"""


def inventory(engine: str, image: str) -> Any:
    """What is in the image. Raises CalledProcessError."""
    command = [
        engine,
        "run",
        "--rm",
        "--network=none",
        "--entrypoint=python",
        image,
        "-c",
        INVENTORY,
    ]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def components(found: Any) -> Iterator[Component]:
    """An image's parts, as CycloneDX names them."""
    for entry in found["debian"]:
        purl = PackageURL(
            "deb", "debian", entry["Package"], entry["Version"], {"arch": entry["Architecture"]}
        )
        yield Component(
            name=entry["Package"],
            version=entry["Version"],
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=str(purl),
        )
    for name, version, licence in found["python"]:
        purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        licences = [DisjunctiveLicense(name=licence)] if licence else []
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=str(purl),
            licenses=licences,
        )
    for name, version, digest in found["models"]:
        yield Component(
            name=name,
            version=version,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"model:{name}@{version}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
            licenses=[DisjunctiveLicense(name="Apache-2.0")],
        )


def bill(image: str, found: Any) -> str:
    """The bill, valid by CycloneDX's own schema. Raises ValueError where it is not."""
    bom = Bom(components=components(found))
    bom.metadata.component = Component(name=image, type=ComponentType.CONTAINER, bom_ref=image)
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if (fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ValueError(str(fault))
    return text


if __name__ == "__main__":
    engine, image = sys.argv[1:]
    print(bill(image, inventory(engine, image)))
