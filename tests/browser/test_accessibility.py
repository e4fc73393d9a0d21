"""The page by keyboard, on each screen, in each color scheme, and without motion."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.visit import COFFEE, PHONE, Open


def test_everything_can_be_done_by_keyboard(open_page: Open) -> None:
    """Tab reaches every control, and the focus is visible."""
    visit = open_page()
    page = visit.page
    focus = "element => element.closest('#frame, fieldset label') ?? element"

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            reached = page.locator(":focus")
            if reached.count() == 0:
                continue  # the browser's own controls, after the last one of the page
            outline = reached.evaluate(
                f"element => getComputedStyle(({focus})(element)).outlineStyle"
            )
            assert outline == "solid", reached.evaluate("element => element.outerHTML")
            if reached.evaluate("(element, selector) => element.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    tab_to("[data-pick]")
    tab_to("#sample")
    page.keyboard.press("Enter")
    visit.settle()
    expect(page.locator("#stage")).to_be_focused()
    tab_to("#split")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#split")).to_have_value("49")
    page.keyboard.press("Home")
    expect(page.locator("#split")).to_have_value("0")
    tab_to("#download")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "sample-cutout.png"
    tab_to("[name=output]")
    visit.redone(lambda: page.keyboard.press("ArrowRight"))
    expect(page.locator("#download")).to_have_attribute("download", "sample-mask.png")
    tab_to("[data-copies=python]")
    tab_to("#clear")
    page.keyboard.press("Enter")
    expect(page.locator("#drop [data-pick]")).to_be_focused()
    tab_to("#url")
    page.keyboard.type("http://10.0.0.1/x.png")
    page.keyboard.press("Enter")
    expect(page.locator("#failure-words")).to_contain_text("public addresses")
    tab_to("#again")
    page.keyboard.press("Enter")
    expect(page.locator("#stage")).to_be_focused()


@pytest.mark.parametrize(
    ("screen", "scheme"),
    [
        ("phone", "dark"),
        pytest.param("desktop", "light", marks=pytest.mark.slow),
        pytest.param("desktop", "dark", marks=pytest.mark.slow),
        pytest.param("phone", "light", marks=pytest.mark.slow),
    ],
)
def test_each_screen_and_scheme_is_accessible_and_fits(
    open_page: Open, photo: bytes, screen: str, scheme: str
) -> None:
    """In each state: empty, done, with many images, and failed."""
    is_phone = screen == "phone"
    device = (
        {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
        if is_phone
        else {}
    )
    visit = open_page(color_scheme=scheme, **device)
    page = visit.page
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 384) == (scheme == "dark")

    def look(state: str) -> None:
        """Check a state."""
        visit.assert_accessible()
        visit.assert_fits()
        visit.shot(f"{screen}-{scheme}-{state}", full_page=state == "many")

    look("empty")
    visit.choose(COFFEE)
    visit.settle()
    look("done")
    visit.choose(photo, b"broken", name=f"{'very-' * 12}long-name.jpg")
    expect(page.locator("#count")).to_have_text("2 of 3 done", timeout=10_000)
    look("many")
    page.click("#list li:nth-child(3) button")
    expect(page.locator("#failure")).to_be_visible()
    look("failed")
    # A finger needs 44 pixels (WCAG 2.2, 2.5.5); a border may take one of them.
    small = page.evaluate(
        """(controls) => [...document.querySelectorAll(controls)]
            .filter((element) => element.checkVisibility())
            .filter((element) => element.getBoundingClientRect().height < 43)
            .map((element) => element.outerHTML)""",
        "button:not(.quiet), .button, input:not([hidden], [type=radio]), fieldset label",
    )
    assert small == []


@pytest.mark.slow
def test_nothing_moves_if_reduced_motion_is_preferred(open_page: Open) -> None:
    for asked, moving in (("no-preference", "works"), ("reduce", "none")):
        page = open_page(reduced_motion=asked).page
        assert (
            page.locator("#bar").evaluate("element => getComputedStyle(element).animationName")
            == moving
        )
