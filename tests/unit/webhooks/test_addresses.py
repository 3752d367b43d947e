"""Which URLs and addresses a webhook may go to."""

import ipaddress

import pytest

from bevyly.webhooks.addresses import AddressRefused, AddressRules, is_public

RULES = AddressRules()
PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254"),
    *("169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.8", "192.0.2.1"),
    *("192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:db8::1", "3fff::1", "5f00::1", "4000::1"),
]
PUBLIC = ["8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_the_list_is_at_least_as_strict_as_the_one_of_python() -> None:
    for first in range(256):
        for rest in ("0.0.1", "16.0.1", "51.100.1", "64.0.1", "88.99.1", "168.0.1", "254.0.1"):
            address = ipaddress.ip_address(f"{first}.{rest}")
            assert not is_public(address) or (address.is_global and not address.is_multicast), address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "not_https"),
        ("ftp://example.com/", "not_https"),
        ("file:///etc/passwd", "not_https"),
        ("//example.com/", "not_https"),
        ("example.com", "not_https"),
        ("https://user@example.com/", "userinfo"),
        ("https://user:pass@example.com/", "userinfo"),
        ("https://example.com@127.0.0.1/", "userinfo"),
        ("https://example.com:80/", "port"),
        ("https://example.com:22/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "bad_url"),
        ("https://example.com:x/", "bad_url"),
        ("https://exa mple.com/", "bad_url"),
        ("https://example.com/\r\nhost: x", "bad_url"),
        ("https://example.com/\x00", "bad_url"),
        ("https://example.com\\@127.0.0.1/", "bad_url"),
        ("https://example.com/ü", "bad_url"),
        ("https://example.com/#x", "bad_url"),
        ("https://example.com/" + "x" * 2048, "bad_url"),
        ("https://[::1/", "bad_url"),
        ("https:///path", "bad_host"),
        ("https://2130706433/", "bad_host"),
        ("https://0x7f000001/", "bad_host"),
        ("https://0x7f.1/", "bad_host"),
        ("https://017700000001/", "bad_host"),
        ("https://0177.0.0.1/", "bad_host"),
        ("https://127.1/", "bad_host"),
        ("https://127.0.0.1./", "bad_host"),
        ("https://256.1.1.1/", "bad_host"),
        ("https://8.8.8.8.8/", "bad_host"),
        ("https://exam%70le.com/", "bad_host"),
        ("https://127.0.0.1%2f@x/", "userinfo"),
        ("https://-x.example/", "bad_host"),
        ("https://a..example/", "bad_host"),
        ("https://" + "a" * 64 + ".example/", "bad_host"),
        ("https://127.0.0.1/", "private_address"),
        ("https://10.1.2.3:8443/", "private_address"),
        ("https://169.254.169.254/latest/meta-data/", "private_address"),
        ("https://[::1]/", "private_address"),
        ("https://[::ffff:127.0.0.1]/", "private_address"),
        ("https://[::ffff:7f00:1]/", "private_address"),
        ("https://[64:ff9b::7f00:1]/", "private_address"),
        ("https://[2002:7f00:1::]/", "private_address"),
        ("https://[fe80::1%25eth0]/", "private_address"),
        ("https://[fd00::1]/", "private_address"),
    ],
)
def test_urls_that_are_refused(url: str, reason: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        RULES.target(url)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://Example.COM:8443/a?b=c%20d", "example.com", 8443, "/a?b=c%20d", "example.com:8443"),
        ("https://x--y_z.example./", "x--y_z.example.", 443, "/", "x--y_z.example."),
        ("https://93.184.215.14/", "93.184.215.14", 443, "/", "93.184.215.14"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"),
        ("https://xn--mnchen-3ya.example/", "xn--mnchen-3ya.example", 443, "/", "xn--mnchen-3ya.example"),
    ],
)
def test_urls_that_are_taken(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = RULES.target(url)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)


def test_the_setting_for_tests_opens_what_it_says_and_no_more() -> None:
    rules = AddressRules(private=True)
    assert rules.target("http://127.0.0.1:23999/x").authority == "127.0.0.1:23999"
    for url in ("ftp://x/", "https://u@x/", "https://127.1/"):
        with pytest.raises(AddressRefused):
            rules.target(url)


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "10.0.0.1"],
        ["10.0.0.1", "93.184.215.14"],
        ["93.184.215.14", "::1"],
        ["fe80::1%2"],
        ["nonsense"],
        [],
    ],
)
async def test_one_address_that_is_not_public_is_one_too_many(answer: list[str]) -> None:
    """And says no more than a name that nobody has: the answer is no map of our network."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return answer

    with pytest.raises(AddressRefused) as refused:
        await RULES.addresses("example.com", 443, resolve)
    assert refused.value.reason == "no_public_address"


async def test_all_addresses_of_a_public_name_are_given_once() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14", "2606:4700::1111", "93.184.215.14"]

    assert await RULES.addresses("example.com", 443, resolve) == ["93.184.215.14", "2606:4700::1111"]
