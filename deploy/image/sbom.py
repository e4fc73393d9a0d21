"""Prints the software bill of materials of an image as CycloneDX JSON.

`python deploy/image/sbom.py ENGINE IMAGE` runs the image and lists what it finds: the Debian
packages, the Python packages, and the weights of the model.
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

# Packages whose wheels contain what their metadata does not tell: x265 in pillow-heif.
BUNDLED_LICENSES = {"pillow-heif": "GPL-2.0-or-later"}

# Runs inside the image.
INVENTORY = r"""
import hashlib, json, os, re
from importlib.metadata import distributions
from pathlib import Path

status = Path("/var/lib/dpkg/status")
entries = status.read_text().split("\n\n")
pattern = re.compile(r"^(Package|Version|Architecture): (.*)$", re.M)
fields = [dict(pattern.findall(entry)) for entry in entries]
models = Path(os.environ["BENTO_PATH"], "models").glob("*/*/*.onnx")
def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()
def license(package):
    return package.metadata.get("License-Expression") or ""
print(json.dumps({
    "debian": [entry for entry in fields if "Version" in entry],
    "python": [[d.name, d.version, license(d)] for d in distributions()],
    "models": [[m.parent.parent.name, m.parent.name, digest(m)] for m in models],
}))
"""


def inventory(engine: str, image: str) -> Any:
    """Return the packages and models in the image. Raises CalledProcessError."""
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
    """Yield the CycloneDX component of each package and model."""
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
    for name, version, license_name in found["python"]:
        normalized = name.lower().replace("_", "-")
        license_name = BUNDLED_LICENSES.get(normalized, license_name)
        purl = PackageURL("pypi", None, normalized, version)
        licenses = [DisjunctiveLicense(name=license_name)] if license_name else []
        yield Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=str(purl),
            licenses=licenses,
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
    """Return the bill of materials. Raises ValueError if it violates CycloneDX's schema."""
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
