"""Is this address public? Pure, and tested by table.

IPv4 is denied by list. IPv6 is allowed in two ranges:

- 2000::/3, from which IANA allocates, without the special blocks inside it;
- 64:ff9b::/96, NAT64's well-known prefix (RFC 6052), if the embedded IPv4 address is public.
  Networks without IPv4 reach every IPv4 host of the internet through it.

Every other embedding of an IPv4 address is denied. Mapped ::ffff:0:0/96, compatible ::/96,
translated ::ffff:0:0:0/96 and local NAT64 64:ff9b:1::/48 are outside 2000::/3. 6to4, Teredo and
ISATAP are listed below.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# The IANA IPv4 Special-Purpose Address Registry (RFC 6890 and its updates), multicast, and one
# cloud provider's address that neither covers.
_SPECIAL_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; Alibaba's metadata is 100.100.100.200
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link-local, RFC 3927; most clouds' metadata
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; Oracle's metadata is 192.0.0.192
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # automatic multicast tunnelling, RFC 7450
        "192.88.99.0/24",  # 6to4 relay anycast, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112 and 8190
        "168.63.129.16/32",  # Azure's WireServer, reachable from every Azure machine
    )
)

_GLOBAL_UNICAST_V6 = IPv6Network(
    "2000::/3"
)  # RFC 4291, IANA IPv6 Global Unicast Address Assignments

# RFC 6052, 2.1: the last 32 bits are the IPv4 address that a translator connects to. The prefix for
# local use, 64:ff9b:1::/48 (RFC 8215), does not say where it embeds the address.
_NAT64 = IPv6Network("64:ff9b::/96")

# IANA IPv6 Special-Purpose Address Registry: the blocks inside 2000::/3.
_SPECIAL_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID, AS112
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056: embeds an IPv4 address
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3fff::/20",  # documentation, RFC 9637
    )
)

# RFC 5214, section 6.1: an interface identifier of 0000:5efe or 0200:5efe embeds an IPv4 address.
_ISATAP_IDENTIFIERS = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Return whether an address belongs to a host on the public internet.

    A scoped IPv6 address (`fe80::1%eth0`) never does.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _GLOBAL_UNICAST_V6:
        return False
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_IDENTIFIERS:
        return False
    return not any(address in network for network in _SPECIAL_V6)
