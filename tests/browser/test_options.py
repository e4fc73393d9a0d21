"""The options of the page, and the code that it shows for them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from tests.browser.visit import Open, run_calls
from tests.support.serving import Server
from tests.support.source import Source


def test_every_option_is_sent(open_page: Open, service: Server, photo: bytes) -> None:
    visit = open_page()
    visit.choose(photo)
    visit.settle()
    page = visit.page
    plain = service.upload(photo).content
    # Each change is added to those before. The last two make the margin and the background
    # meaningless.
    changes: list[tuple[Callable[[], object], dict[str, str]]] = [
        (lambda: page.get_by_label("All", exact=True).check(), {"subject": "all"}),
        (lambda: page.get_by_label("Margin").fill("30"), {"margin": "30"}),
        (lambda: page.get_by_label("Background", exact=True).fill("#08f"), {"background": "#08f"}),
        (
            lambda: page.get_by_label("Pick the background color").fill("#ff0080"),
            {"background": "#ff0080"},
        ),
        (lambda: page.get_by_label("WebP").check(), {"format": "webp"}),
        (lambda: page.get_by_label("JPEG").check(), {"format": "jpeg"}),
        (lambda: page.get_by_label("Twice").check(), {"passes": "2"}),
        (lambda: page.get_by_label("Longest side").fill("150"), {"max_side": "150"}),
        (lambda: page.get_by_label("Off").check(), {"crop": "false"}),
        (lambda: page.get_by_label("Mask").check(), {"output": "mask"}),
    ]
    fields: dict[str, str] = {}
    for change, changed in changes:
        visit.redone(change)
        fields |= changed
        name, content = visit.download()
        assert name == f"photo-{fields.get('output', 'cutout')}.{fields.get('format', 'png')}"
        assert content == service.upload(photo, **fields).content, fields
    expect(page.locator("#margin")).to_be_disabled()
    expect(page.locator("#background")).to_be_disabled()
    assert "margin" not in page.locator("#curl").inner_text()
    assert "background=" not in page.locator("#curl").inner_text()
    visit.redone(lambda: page.click("text=Reset"))
    assert visit.download()[1] == plain


@pytest.mark.slow
def test_an_invalid_option_is_marked_and_not_sent(open_page: Open) -> None:
    visit = open_page()
    visit.page.click("#sample")
    visit.settle()
    for field_name, value in (
        ("#background", "#1234"),
        ("#margin", "501"),
        ("#max-side", "63"),
    ):
        with (
            pytest.raises(PlaywrightTimeout),
            visit.page.expect_response("**/remove-background**", timeout=450),
        ):
            visit.page.fill(field_name, value)
        assert not visit.page.locator(field_name).evaluate("element => element.validity.valid")
        assert (
            visit.page.locator(field_name).evaluate(
                "element => getComputedStyle(element).borderColor"
            )
            == "rgb(163, 39, 29)"
        )


@pytest.mark.slow
def test_the_code_shown_gets_the_same_cutout(
    open_page: Open, photo: bytes, source: Source, tmp_path: Path
) -> None:
    """Also with names and URLs that have special characters of shells and forms."""
    image = tmp_path / 'it\'s a "photo", no; 2.jpg'
    image.write_bytes(photo)
    visit = open_page()
    page = visit.page
    page.get_by_label("Off").check()
    page.get_by_label("WebP").check()
    page.get_by_label("All", exact=True).check()
    page.fill("#background", "#0af")
    visit.choose(image)
    visit.settle()
    assert run_calls(page, tmp_path) == [visit.download()[1]] * 2
    page.fill("#url", source.url('/photo.jpg?it\'s="a&b"$HOME'))
    page.press("#url", "Enter")
    expect(page.locator("#note")).to_be_visible()
    assert run_calls(page, tmp_path) == [visit.download()[1]] * 2
