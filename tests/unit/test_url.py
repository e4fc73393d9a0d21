"""URLs that clients send: accepted, invalid, or not allowed."""

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from pipeline.errors import InvalidURL, URLNotAllowed
from pipeline.fetch.url import SourceURL, parse_source_url

ACCEPTED = {
    "https://images.stylespire.com/a.png": SourceURL(
        "https", "images.stylespire.com", 443, "/a.png"
    ),
    "HTTP://Images.StyleSpire.COM": SourceURL("http", "images.stylespire.com", 80, "/"),
    "http://images.stylespire.com:80/a b.png": SourceURL(
        "http", "images.stylespire.com", 80, "/a%20b.png"
    ),
    "https://images.stylespire.com:80/a%20b.png?x=1&y=%2F#f": SourceURL(
        "https", "images.stylespire.com", 80, "/a%20b.png?x=1&y=%2F"
    ),
    "https://images.stylespire.com?x=1": SourceURL("https", "images.stylespire.com", 443, "/?x=1"),
    "https://bücher.stylespire.com/ü.png": SourceURL(
        "https", "xn--bcher-kva.stylespire.com", 443, "/%C3%BC.png"
    ),
    "https://images.stylespire.com./x": SourceURL("https", "images.stylespire.com", 443, "/x"),
    "https://my_bucket.stylespire.com/a@b.png": SourceURL(
        "https", "my_bucket.stylespire.com", 443, "/a@b.png"
    ),
    "http://1.1.1.1/x": SourceURL("http", "1.1.1.1", 80, "/x"),
    "http://[2606:4700:4700::1111]:443/x": SourceURL("http", "2606:4700:4700::1111", 443, "/x"),
    "http://[64:ff9b::8.8.8.8]/x": SourceURL("http", "64:ff9b::808:808", 80, "/x"),
}

INVALID = [
    "",
    "x.png",
    "//host.com/x",
    "ftp://a.com/x",
    "file:///etc/passwd",
    "data:image/png;base64,AA",
    "http:/a.com",
    "http://",
    "http:///x",
    "http://a..com/",
    "http://.a.com/",
    "http://a.com:x/",
    "http://a.com:0/",
    "http://a.com:65536/",
    "http://a.com:１/",
    "http://a.com/\n",
    "http://a.com/\x00",
    " http://a.com/",
    "http://a b.com/",
    "http://-a.com/",
    f"http://{'a' * 64}.com/",
    f"http://{'a.' * 127}com/",
    "http://a,b.com/",
    "http://::1/",
    "http://[::1/",
    "http://[1.1.1.1]/",
    "http://[]/",
    "http://[::1]x/",
    "http://xn--a.com/",
    "http://xn--zz-.com/",
    "http://a\u2028b.com/",
    "http://a.com/\ud800",
    "http://a\udfff.com/",
    f"http://a.com/{'x' * 2048}",
]

REFUSED = [
    "http://user@a.com/",
    "http://user:pass@a.com/",
    "http://a.com@10.0.0.1/",
    "http://a.com\\@10.0.0.1/",
    "http://a.com\\b.com/",
    "http://a.com:8080/",
    "https://a.com:22/",
    "http://127.0.0.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://2130706433/",
    "http://127.1/",
    "http://1.1.1/",
    "http://0/",
    "http://256.256.256.256/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://[::1]/",
    "http://[::ffff:1.1.1.1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://a.localhost/",
    "http://db/",
    "http://metadata.google.internal/",
    "http://printer.local/",
    "http://a.home.arpa/",
    "http://a.onion/",
    "http://%6c%6f%63alhost/",
    "http://1.1.1.1%2f/",
    "http://loc\u200balhost/",
    "http://localhost./",
    "http://127.0.0.1./",
]


@pytest.mark.parametrize(("text", "url"), ACCEPTED.items())
def test_accepted(text: str, url: SourceURL) -> None:
    assert parse_source_url(text) == url


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    with pytest.raises(InvalidURL):
        parse_source_url(text)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(URLNotAllowed):
        parse_source_url(text)


def test_a_url_of_2048_characters_is_the_longest() -> None:
    url = "http://a.com/".ljust(2_048, "x")
    assert str(parse_source_url(url)) == url
    with pytest.raises(InvalidURL, match="2,048"):
        parse_source_url(url + "x")


def spellings(address: str) -> set[str]:
    """Return spellings of an IPv4 address that inet_aton(3), a browser or IDNA's mapping reads."""
    parts = [int(part) for part in address.split(".")]
    number = int(IPv4Address(address))
    digits = ("{}", "0{:o}", "000{:o}", "0x{:x}", "0X{:X}", "0x00{:x}")
    written = {".".join(form.format(part) for part in parts) for form in digits}
    written |= {form.format(number) for form in digits}
    written |= {".".join([digits[i % 6].format(part) for i, part in enumerate(parts)])}
    written |= {
        f"{parts[0]}.{number % 2**24}",
        f"{parts[0]}.{parts[1]}.{number % 2**16}",
        f"0x{parts[0]:x}.{number % 2**24}",
    }
    written |= {
        f"{address}.",
        f"{address}..",
        str(number + 2**32),
        f"{parts[0] + 256}.{parts[1]}.{parts[2]}.{parts[3]}",
    }
    written |= {address.replace(".", dot) for dot in "\u3002\uff0e\uff61"}
    wide = {ord(digit): chr(0xFF10 + int(digit)) for digit in "0123456789"}
    circled = {ord(digit): "⓪①②③④⑤⑥⑦⑧⑨"[int(digit)] for digit in "0123456789"}
    written |= {
        address.translate(wide),
        address.translate(circled),
        address.replace("1", "%31"),
        address.replace(".", "%2e"),
    }
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    embedded = [
        f"::ffff:{address}",
        f"::FFFF:{address}",
        f"0:0:0:0:0:ffff:{address}",
        f"::{address}",
        f"64:ff9b::{address}",
    ]
    embedded += [
        f"::ffff:{high}:{low}",
        f"::ffff:{address}%25lo",
        f"::ffff:0:{address}",
        f"2002:{high}:{low}::",
    ]
    written |= {f"[{form}]" for form in embedded}
    return written


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.100.100.200"],
)
def test_no_spelling_of_a_private_address_is_accepted(address: str) -> None:
    for host in spellings(address):
        for url in (
            f"http://{host}/",
            f"https://{host}:443/x.png",
            f"http://1.1.1.1@{host}/",
            f"http://{host}#@1.1.1.1/",
            f"http://{host}?a=b",
        ):
            with pytest.raises((InvalidURL, URLNotAllowed)):
                parse_source_url(url)


def test_an_allowed_private_host_is_allowed_at_its_port_only() -> None:
    allowed = [("127.0.0.1", 9000), ("minio", 9000)]
    assert parse_source_url("http://127.0.0.1:9000/x", allowed).port == 9000
    assert parse_source_url("http://minio:9000/x", allowed).host == "minio"
    for text in (
        "http://127.0.0.1/x",
        "http://127.0.0.1:9001/x",
        "http://minio/x",
        "http://u@minio:9000/x",
    ):
        with pytest.raises(URLNotAllowed):
            parse_source_url(text, allowed)


def test_the_host_header_omits_the_default_port() -> None:
    assert parse_source_url("https://a.com:443/x").netloc == "a.com"
    assert parse_source_url("https://a.com:80/x").netloc == "a.com:80"
    assert parse_source_url("http://[2606:4700::1]/x").netloc == "[2606:4700::1]"


def test_the_outside_table(data: Path) -> None:
    rows = json.loads((data / "ssrf" / "urls.json").read_text())
    wrong = []
    for row in rows:
        try:
            parse_source_url(row["url"])
            verdict = "allowed"
        except (InvalidURL, URLNotAllowed) as error:
            verdict = error.code
        # What a name resolves to is checked later: see test_download.py.
        if verdict != row["expect"] and row["group"] != "dns-stub":
            wrong.append((row["url"], row["expect"], verdict))
    assert rows
    assert not wrong
