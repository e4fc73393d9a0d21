"""The page at /docs."""

from playwright.sync_api import expect

from tests.browser.visit import Open


def test_swagger_ui_shows_the_document_and_sends_a_request(open_page: Open) -> None:
    """Under the same content security policy as the page."""
    visit = open_page("/docs")
    page = visit.page
    expect(page.locator(".opblock")).to_have_count(10)
    page.locator(".opblock", has_text="/remove-background/upload").locator(
        ".opblock-summary-control"
    ).click()
    expect(page.locator(".opblock.is-open")).to_contain_text("margin")
    health = page.locator(".opblock", has=page.locator("[data-path='/health']"))
    health.locator(".opblock-summary-control").click()
    health.get_by_text("Try it out").click()
    health.get_by_text("Execute", exact=True).click()
    expect(health.locator(".live-responses-table")).to_contain_text('"status": "ok"')
    visit.shot("docs", full_page=False)
    page.click("text=Try it on an image")
    expect(page.locator("h1")).to_contain_text("Keep the subject.")
