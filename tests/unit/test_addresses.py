"""Public and special addresses, by table, at the edges of blocks, and embedded in IPv6."""

import json
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest

from pipeline.fetch.addresses import is_public

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "168.63.129.15",
    "168.63.129.17",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450:4009:80b::200e",
    "2620:4f:7fff::1",
    "3ffe::1",
    "64:ff9b::808:808",
    "64:ff9b::9.255.255.255",
    "64:ff9b::168.63.129.17",
]

SPECIAL = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "100.64.0.0",
    "100.100.100.200",
    "127.0.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "::ffff:0:808:808",
    "100::1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::168.63.129.16",
    "64:ff9b::808:808%eth0",
    "64:ff9b::1:808:808",
    "64:ff9b:0:1::808:808",
    "64:ff9a::808:808",
    "64:ff9b:1::1",
    "64:ff9b:1::808:808",
    "2001::1",
    "2001:2::1",
    "2001:20::1",
    "2001:1ff::1",
    "2001:db8::1",
    "2002:808:808::1",
    "3fff::1",
    "3fff:fff::1",
    "2620:4f:8000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:a00:1",
    "4000::1",
    "1fff::1",
    "2a00:1450::1%1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", SPECIAL)
def test_a_special_address_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


# IANA's registries of special-purpose addresses (RFC 6890 and its updates), multicast, and the
# address of Azure's WireServer.
BLOCKS = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
    "::/128",
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_special_from_its_first_to_its_last_address(block: str) -> None:
    network = ip_network(block)
    first, last = int(network[0]), int(network[-1])
    of_version = IPv4Address if network.version == 4 else IPv6Address
    assert not is_public(of_version(first))
    assert not is_public(of_version((first + last) // 2))
    assert not is_public(of_version(last))
    others = [
        ip_network(other)
        for other in BLOCKS
        if other != block and ip_network(other).version == network.version
    ]
    for beside in (first - 1, last + 1):
        if not 0 <= beside < 2**network.max_prefixlen:
            continue
        address = of_version(beside)
        allocated = network.version == 4 or address in ip_network("2000::/3")
        assert is_public(address) == (
            allocated and not any(address in other for other in others)
        ), address


# How IPv6 embeds an IPv4 address: RFC 4291 (2.5.5.1 and 2.5.5.2), RFC 2765, RFC 6052, RFC 8215,
# RFC 3056, RFC 4380, RFC 5214.
EMBEDDINGS = {
    "compatible": lambda v4: v4,
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "translated": lambda v4: 0xFFFF << 48 | v4,
    "NAT64": lambda v4: 0x64FF9B << 96 | v4,
    "NAT64, local": lambda v4: 0x64FF9B0001 << 80 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "Teredo's server": lambda v4: 0x20010000 << 96 | v4 << 64,
    "Teredo's client": lambda v4: 0x20010000 << 96 | v4 ^ 0xFFFFFFFF,
    "ISATAP": lambda v4: 0x26064700 << 96 | 0x5EFE << 32 | v4,
    "ISATAP, global": lambda v4: 0x26064700 << 96 | 0x02005EFE << 32 | v4,
}


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "8.8.8.8"]
)
def test_an_embedded_address_counts_only_in_the_well_known_nat64_prefix(
    embedding: str, address: str
) -> None:
    expected = embedding == "NAT64" and is_public(ip_address(address))
    assert is_public(IPv6Address(EMBEDDINGS[embedding](int(IPv4Address(address))))) == expected


def test_the_outside_table(data: Path) -> None:
    rows = json.loads((data / "ssrf" / "addresses.json").read_text())
    wrong = [
        row
        for row in rows
        if row["expect"] != "either"
        and is_public(ip_address(row["address"])) != (row["expect"] == "allow")
    ]
    assert rows
    assert not wrong
