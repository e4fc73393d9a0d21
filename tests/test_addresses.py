import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from pipeline.addresses import is_public

PUBLIC = ["1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"]
PUBLIC += ["192.0.1.0", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15", "168.63.129.17"]
PUBLIC += ["2001:200::1", "2606:4700:4700::1111", "2a00:1450:4009:80b::200e", "2620:4f:7fff::1", "3ffe::1"]

SPECIAL = ["0.0.0.0", "0.255.255.255", "10.0.0.1", "100.64.0.0", "100.100.100.200", "127.0.0.1", "169.254.169.254"]
SPECIAL += ["169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"]
SPECIAL += ["198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"]
SPECIAL += ["255.255.255.255", "168.63.129.16", "192.31.196.1", "192.52.193.1", "192.175.48.1"]
SPECIAL += ["::", "::1", "::ffff:8.8.8.8", "::8.8.8.8", "::ffff:0:808:808", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"]
SPECIAL += ["2001::1", "2001:2::1", "2001:20::1", "2001:1ff::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "3fff:fff::1"]
SPECIAL += ["2620:4f:8000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"]
SPECIAL += ["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "4000::1", "1fff::1", "2a00:1450::1%1"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", SPECIAL)
def test_special(address: str) -> None:
    assert not is_public(ip_address(address))


def test_outside_table(data: Path) -> None:
    rows = json.loads((data / "ssrf" / "addresses.json").read_text())
    wrong = [
        row for row in rows if row["expect"] != "either" and is_public(ip_address(row["address"])) != (row["expect"] == "allow")
    ]
    assert rows
    assert not wrong
