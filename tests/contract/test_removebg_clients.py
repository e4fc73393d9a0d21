"""Programs that nobody here wrote, and remove.bg's own samples, with another host."""

import base64
import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import remove_bg_api
import removebg.removebg
import requests
from PIL import Image

from tests.support.environment import ROOT, needed
from tests.support.removebg import REMOVEBG
from tests.support.removebg_host import Host, serve_as_remove_bg
from tests.support.serving import Server
from tests.support.source import Source

pytestmark = pytest.mark.usefixtures("unharmed")

PACKAGE = ROOT / "tests" / "support" / "npm"


@pytest.fixture
def picture(tmp_path: Path, small: bytes) -> Path:
    """The path of an image."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(small)
    return path


@pytest.fixture
def url(source: Source, small: bytes) -> str:
    """The URL of the same image."""
    source.files["/picture.jpg"] = small
    return source.url("/picture.jpg")


def opened(content: bytes | Path) -> Image.Image:
    """Decode a cutout or a cutout on red."""
    data = content.read_bytes() if isinstance(content, Path) else content
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.size == (240, 200)
    return image


def test_removebg(
    service: Server, picture: Path, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """PyPI's removebg 0.4."""
    monkeypatch.setattr(removebg.removebg, "API_ENDPOINT", service.url + REMOVEBG)
    client = removebg.removebg.RemoveBg("a-key", str(tmp_path / "error.log"))
    client.remove_background_from_img_file(str(picture))
    assert opened(tmp_path / "picture.jpg_no_bg.png").mode == "RGBA"
    result = tmp_path / "result.png"
    client.remove_background_from_img_url(url, new_file_name=str(result), size="hd")
    assert opened(result).mode == "RGBA"
    text = base64.b64encode(picture.read_bytes())
    client.remove_background_from_base64_img(text, new_file_name=str(result), bg_color="red")
    assert opened(result).mode == "RGB"


def test_remove_bg_api(
    service: Server, picture: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyPI's remove-bg-api 0.2.1, which asks for the account first."""
    monkeypatch.setattr(remove_bg_api, "API_URL", service.url + "/v1.0")
    client = remove_bg_api.RemoveBg("a-key")
    assert (client.account.balance(), client.account.free_api_calls()) == (0, 0)
    assert opened(client.remove_bg_file(str(picture))).mode == "RGBA"
    assert opened(client.remove_bg_bytes(picture.read_bytes())).mode == "RGBA"
    assert opened(client.remove_bg_url(url)).mode == "RGBA"
    assert opened(client.remove_bg_base64(base64.b64encode(picture.read_bytes()))).mode == "RGBA"
    assert client.account.balance() == 0  # credits were charged: none
    with pytest.raises(remove_bg_api.Errors.ApiErrorCode400):
        client.remove_bg_bytes(b"no image")


def test_requests(service: Server, picture: Path) -> None:
    """The sample for Python of remove.bg's documentation."""
    response = requests.post(
        service.url + REMOVEBG,
        files={"image_file": picture.open("rb")},
        data={"size": "auto"},
        headers={"X-Api-Key": "a-key"},
        timeout=30,
    )
    assert response.status_code == requests.codes.ok
    assert opened(response.content).mode == "RGBA"


def test_curl(service: Server, picture: Path, url: str, tmp_path: Path) -> None:
    """The samples for curl of remove.bg's documentation."""
    result = tmp_path / "no-bg.png"
    curl = [needed("curl", "curl"), "--silent", "--show-error", "--fail", "-o", str(result)]
    curl += ["-H", "X-API-Key: a-key", service.url + REMOVEBG]
    for fields in ([f"image_file=@{picture}", "size=auto"], [f"image_url={url}", "size=auto"]):
        arguments = [argument for field in fields for argument in ("-F", field)]
        subprocess.run([*curl, *arguments], check=True, timeout=30)
        assert opened(result).mode == "RGBA"
        result.unlink()


_FETCH = """
const [, url, path, result] = process.argv;
const fs = require("fs");
(async () => {
  const form = new FormData();
  form.append("size", "auto");
  form.append("image_file", new Blob([fs.readFileSync(path)]));
  const headers = { "X-Api-Key": "a-key" };
  const response = await fetch(url, { method: "POST", headers, body: form });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  fs.writeFileSync(result, Buffer.from(await response.arrayBuffer()));
})();
"""


def test_node_fetch(service: Server, picture: Path, tmp_path: Path) -> None:
    """The sample for node of remove.bg's documentation."""
    result = tmp_path / "result.png"
    command = [needed("node", "nodejs"), "-e", _FETCH, service.url + REMOVEBG]
    subprocess.run([*command, str(picture), str(result)], check=True, timeout=30)
    assert opened(result).mode == "RGBA"


@pytest.fixture
def host(service: Server, tmp_path: Path) -> Iterator[Host]:
    """A place where api.remove.bg is the service."""
    with serve_as_remove_bg(service, tmp_path) as made:
        yield made


_NPM = """
const [, options] = process.argv;
const client = require("remove.bg");
(async () => {
  const { how, ...given } = JSON.parse(options);
  console.log(JSON.stringify(await client[how]({ apiKey: "a-key", ...given })));
})().catch((errors) => console.log(JSON.stringify({ errors })));
"""


@pytest.mark.slow  # it installs the client
def test_npm(host: Host, picture: Path, url: str, tmp_path: Path) -> None:
    """npm's remove.bg 1.3.0, whose host is fixed."""
    modules = tmp_path / "npm"
    shutil.copytree(PACKAGE, modules)
    install = [needed("npm", "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=modules, check=True, capture_output=True, timeout=120)

    def run(how: str, **options: Any) -> dict[str, Any]:
        given = json.dumps({"how": f"removeBackgroundFromImage{how}", **options})
        result = host.run([needed("node", "nodejs"), "-e", _NPM, given], modules)
        found: dict[str, Any] = json.loads(result)
        return found

    text = base64.b64encode(picture.read_bytes()).decode()
    output = str(tmp_path / "result.png")
    sources = {"File": {"path": str(picture)}, "Url": {"url": url}, "Base64": {"base64img": text}}
    for how, options in sources.items():
        result = run(how, outputFile=output, size="regular", **options)
        assert result["resultWidth"] == "240", result
        assert (result["creditsCharged"], result["detectedType"]) == ("0", "other")
        assert int(result["rateLimitReset"]) > 0
        assert opened(Path(output)).mode == "RGBA"
        with contextlib.suppress(FileNotFoundError):
            Path(output).unlink()
    (error,) = run("Base64", base64img="bm8gaW1hZ2U=")["errors"]
    assert error["code"] == "invalid_file_type"
