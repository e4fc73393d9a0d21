"""An image on the page: every way in, what is shown of it, and its download."""

import io
from base64 import b64decode

import numpy as np
import pytest
from PIL import ExifTags, Image
from playwright.sync_api import FloatRect, Page, expect

from tests.browser.visit import COFFEE, Open, Visit, size
from tests.support.heif_files import heic
from tests.support.images import encoded
from tests.support.serving import UPLOAD_STEPS, Server
from tests.support.source import Source

SIDES = ("Left", "Top", "Width", "Height")


def box_of(page: Page, selector: str) -> FloatRect:
    """Return where an element is on the page."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box


def open_with_coffee(open_page: Open) -> Visit:
    """Open the page and upload a photo whose subject touches the top."""
    visit = open_page()
    expect(visit.page.locator("#drop")).to_be_visible()
    visit.choose(COFFEE)
    visit.settle()
    return visit


def test_an_upload_gets_the_services_cutout(open_page: Open, service: Server) -> None:
    response = service.upload(COFFEE.read_bytes())
    visit = open_with_coffee(open_page)
    page, headers = visit.page, response.headers
    assert visit.download() == ("coffee-cutout.png", response.content)
    expect(page.locator("#drop")).to_be_hidden()
    said = f"coffee.jpg: cut out, {headers['X-Width']} by {headers['X-Height']} pixels."
    expect(page.locator("#said")).to_have_text(said)
    facts = page.locator("#facts").inner_text()
    left, top, width, height = (headers[f"X-Foreground-{side}"] for side in SIDES)
    assert f"{headers['X-Width']} × {headers['X-Height']} px" in facts
    assert f"{width} × {height} at {left}, {top}" in facts
    assert f"{float(headers['X-Subject-Confidence']):.0%}".replace("%", " %") in facts
    steps = [text.split()[0] for text in page.locator("#times li").all_inner_texts()]
    assert steps == UPLOAD_STEPS


def test_several_parts_are_counted(open_page: Open, service: Server) -> None:
    cup = Image.open(io.BytesIO(service.upload(COFFEE.read_bytes(), max_side="200").content))
    pair = Image.new("RGB", (900, 600), (180, 185, 190))
    for left in (120, 580):
        pair.paste(cup, (left, 200), cup)
    visit = open_page()
    visit.choose(encoded(pair))
    visit.settle()
    facts = visit.page.locator("#facts")
    expect(facts).to_contain_text("2, the largest kept")
    visit.redone(lambda: visit.page.get_by_label("All", exact=True).check())
    expect(facts).to_contain_text("2, all kept")


def test_the_cutout_lies_over_the_original(open_page: Open, service: Server) -> None:
    """The box and the cutout are where the response says."""
    headers = service.upload(COFFEE.read_bytes()).headers
    whole = Image.open(COFFEE).size
    visit = open_with_coffee(open_page)
    page = visit.page
    frame = box_of(page, "#frame")
    sides = [int(headers[f"X-Foreground-{side}"]) for side in SIDES]
    expected = [side / length for side, length in zip(sides, whole * 2, strict=True)]
    for part in ("#box", "#result"):
        box = box_of(page, part)
        assert [
            (box["x"] - frame["x"]) / frame["width"],
            (box["y"] - frame["y"]) / frame["height"],
            box["width"] / frame["width"],
            box["height"] / frame["height"],
        ] == pytest.approx(expected, abs=0.005)
    # With a margin the cutout is larger, but ends at the edge of the image at the top.
    visit.redone(lambda: page.fill("#margin", "30"))
    box = box_of(page, "#result")
    width, height = size(visit.download()[1])
    assert sides[1] < 30 < sides[0]
    left = (sides[0] - 30) / whole[0] * frame["width"]
    assert box["x"] - frame["x"] == pytest.approx(left, abs=2)
    assert box["y"] - frame["y"] == pytest.approx(0, abs=1)
    assert box["width"] / frame["width"] == pytest.approx(width / whole[0], abs=0.005)
    assert box["height"] / frame["height"] == pytest.approx(height / whole[1], abs=0.005)
    # A smaller response shows in the same place.
    visit.redone(lambda: page.fill("#max-side", "100"))
    assert max(size(visit.download()[1])) == 100
    box["y"] += box_of(page, "#frame")["y"] - frame["y"]  # the field was scrolled into view
    assert box_of(page, "#result") == pytest.approx(box, abs=1)


def test_the_slider_divides_the_original_from_the_result(open_page: Open) -> None:
    """The original's corner, to the left, is dark; the checkerboard to the right is bright."""
    page = open_with_coffee(open_page).page
    frame = box_of(page, "#frame")

    def shows_the_original(percent: int) -> bool:
        """Move the slider; return whether the corner, which is background, is the original's."""
        page.locator("#split").fill(str(percent))
        page.mouse.move(0, 0)
        screenshot = Image.open(io.BytesIO(page.locator("#frame").screenshot()))
        return float(np.asarray(screenshot.convert("RGB"))[20:80, 10:40].mean()) < 128

    assert [shows_the_original(percent) for percent in (100, 50, 0)] == [True, True, False]
    expect(page.locator("#split")).to_have_attribute("aria-valuetext", "0 % original")
    page.mouse.click(frame["x"] + frame["width"] * 0.25, frame["y"] + frame["height"] / 2)
    assert abs(int(page.locator("#split").input_value()) - 25) <= 3


@pytest.mark.slow
def test_every_way_to_choose_a_file_gets_the_same_cutout(
    open_page: Open, service: Server, photo: bytes
) -> None:
    """The other tests use the file picker."""
    expected = service.upload(photo).content
    visit = open_page()
    for way in ("sample", "paste", "drop"):
        if way == "sample":
            visit.page.click("#sample")
        else:
            visit.hand(way, {"photo.jpg": photo})
        visit.settle()
        assert visit.download() == (
            f"{'sample' if way == 'sample' else 'photo'}-cutout.png",
            expected,
        )
        visit.page.click("#clear")


@pytest.mark.slow
def test_every_way_to_enter_a_url_gets_the_same_cutout(
    open_page: Open, service: Server, source: Source
) -> None:
    url = source.url("/photo.jpg?size=large")
    expected = service.post(image_url=url).content
    visit = open_page()
    page = visit.page
    for way in ("form", "paste", "drop"):
        if way == "form":
            page.fill("#url", url)
            page.press("#url", "Enter")
        else:
            visit.hand(way, {}, **{"text/plain" if way == "paste" else "text/uri-list": url})
        visit.settle()
        assert visit.download() == ("photo-cutout.png", expected)
        expect(page.locator("#said")).to_contain_text("photo.jpg: cut out,")
        expect(page.locator("#note")).to_contain_text("contacts only the service")
        expect(page.locator("#split")).to_be_hidden()
        page.click("#clear")


@pytest.mark.parametrize("kind", ["tiff", "heic"])
def test_an_image_that_the_browser_cannot_show_gets_a_cutout(
    kind: str, open_page: Open, photo: bytes
) -> None:
    """The file is sent as it is, and the cutout is the preview."""
    image, visit = Image.open(io.BytesIO(photo)), open_page()
    visit.choose(heic(image) if kind == "heic" else encoded(image, "TIFF"), name=f"scan.{kind}")
    visit.settle()
    expect(visit.page.locator("#result")).to_be_visible()
    expect(visit.page.locator("#note")).to_have_text("This browser cannot show the original.")
    assert visit.download()[0] == "scan-cutout.png"


@pytest.mark.slow
def test_a_rotated_image_is_shown_upright(open_page: Open, photo: bytes) -> None:
    """The browser and the service agree on what is upright."""
    lying = Image.open(io.BytesIO(photo)).crop((0, 0, 512, 300)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # rotate by 90 degrees clockwise
    visit = open_page()
    visit.choose(encoded(lying, "JPEG", exif=exif))
    visit.settle()
    frame, result = (box_of(visit.page, part) for part in ("#frame", "#result"))
    assert frame["width"] / frame["height"] == pytest.approx(512 / 300, abs=0.01)
    width, height = size(visit.download()[1])
    assert result["width"] / frame["width"] == pytest.approx(width / 512, abs=0.01)
    assert result["height"] / frame["height"] == pytest.approx(height / 300, abs=0.01)


def test_the_cutout_and_the_code_are_copied(open_page: Open, service: Server, photo: bytes) -> None:
    visit = open_page(permissions=["clipboard-read", "clipboard-write"])
    page = visit.page
    visit.choose(photo)
    visit.settle()

    def copied() -> bytes:
        page.click("#copy")
        expect(page.locator("#copy")).to_have_text("Copied")
        content = page.evaluate(
            """async () => {
                const [item] = await navigator.clipboard.read();
                const reader = new FileReader();
                reader.readAsDataURL(await item.getType("image/png"));
                await new Promise((resolve) => (reader.onload = resolve));
                return reader.result;
            }"""
        )
        return b64decode(content.partition(",")[2])

    expected = np.asarray(Image.open(io.BytesIO(service.upload(photo).content)))
    assert (np.asarray(Image.open(io.BytesIO(copied())))[..., 3] == expected[..., 3]).all()
    visit.redone(lambda: page.get_by_label("WebP").check())
    assert size(copied()) == expected.shape[1::-1]
    page.get_by_label("Copy the Python code").click()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").inner_text()
