"""The proxy of a URL by the environment's variables."""

from __future__ import annotations

import pytest

from bot.errors import UsageError
from bot.outbound.proxies import Proxy, proxy_environment, proxy_for


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)


def test_each_scheme_has_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https://a.example/") is None
    monkeypatch.setenv("ALL_PROXY", "http://all.example:1")
    monkeypatch.setenv("https_proxy", "tls.example:3128")
    assert proxy_for("https://a.example/") == Proxy("http://tls.example:3128")
    assert proxy_for("http://a.example/") == Proxy("http://all.example:1")
    assert proxy_for("file:///a") is None


@pytest.mark.parametrize(
    ("exceptions", "url", "excepted"),
    [
        ("*", "https://a.example/", True),
        ("a.example", "https://a.example/", True),
        (".example", "https://a.example:8443/", True),
        ("a.example:8443", "https://a.example:8443/", True),
        ("a.example:8443", "https://a.example/", False),
        ("b.example, a.example", "https://a.example/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://ten.example/", False),
        ("fd00::/8", "https://[fd00::1]:8443/", True),
        ("::1", "https://[::1]/", True),
        ("ample", "https://a.example/", False),
    ],
)
def test_no_proxy_has_names_domains_ports_and_networks(
    exceptions: str, url: str, excepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_for(url) is None) == excepted


def test_a_password_is_in_the_header_alone() -> None:
    proxy = Proxy("http://me:p%40ss@proxy.example:1")
    assert proxy.headers == {"Proxy-Authorization": "Basic bWU6cEBzcw=="}
    assert proxy.address == "http://proxy.example:1"
    assert "p%40ss" not in repr(proxy)


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1")
    with pytest.raises(UsageError, match=r"socks5://proxy\.example of the environment"):
        proxy_for("https://a.example/")


def test_a_program_gets_both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    monkeypatch.setenv("no_proxy", "a.example")
    assert proxy_environment() == {
        "https_proxy": "http://proxy.example:1",
        "HTTPS_PROXY": "http://proxy.example:1",
        "no_proxy": "a.example",
        "NO_PROXY": "a.example",
    }
