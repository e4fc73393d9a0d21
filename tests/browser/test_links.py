"""The page makes signed links, with a key that stays in the browser."""

import pytest
from playwright.sync_api import expect

from serving.links.signature import signed_url
from tests.browser.visit import Open
from tests.support.links import KEY
from tests.support.serving import Server
from tests.support.source import Source


def test_the_link_is_signed_in_the_browser(open_page: Open, linked: Server, source: Source) -> None:
    visit = open_page(url=linked.url)
    page = visit.page
    expect(page.locator("#link-call")).to_be_hidden()
    url = source.url("/photo.jpg?a=(1)*'!~é")
    page.get_by_label("Or enter the URL of an image").fill(url)
    page.get_by_role("button", name="Fetch").click()
    visit.settle()
    page.get_by_label("Key, which stays in this page").fill(KEY)
    page.get_by_label("Background", exact=True).fill("#08f")
    expected = signed_url(linked.url, KEY.encode(), {"image_url": url, "background": "#08f"})
    expect(page.locator("#link")).to_have_text(expected)
    assert linked.get(expected.removeprefix(linked.url)).status_code == 200
    visit.assert_accessible()
    visit.assert_fits()
    assert not [asked for asked in visit.requests if KEY in asked]
    page.get_by_label("Key, which stays in this page").fill(KEY[1:])
    expect(page.locator("#link")).to_have_text("")


@pytest.mark.slow
def test_there_is_no_link_without_keys(open_page: Open, service: Server, source: Source) -> None:
    visit = open_page()
    visit.page.get_by_label("Or enter the URL of an image").fill(source.url("/photo.jpg"))
    with visit.page.expect_response("**/docs.json"):
        visit.page.get_by_role("button", name="Fetch").click()
    visit.settle()
    expect(visit.page.locator("#link-call")).to_be_hidden()
