"""Sessions of requests that use `proxies` and `authorities` alone.

By itself requests would also read a .netrc, whose password would replace a forge's token.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from bot.outbound.authorities import tls_context
from bot.outbound.proxies import proxy_for


class _Adapter(HTTPAdapter):
    """An adapter whose connections use `tls_context` and the environment's proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=tls_context())

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        context = tls_context()
        return super().proxy_manager_for(
            proxy, **options, ssl_context=context, proxy_ssl_context=context
        )

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave verification to the TLS context; requests would add certifi's authorities to it."""
        if verify is not True or cert is not None:
            super().cert_verify(conn, url, verify, cert)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request through the proxy of its URL; ignores `proxies`."""
        del proxies
        url = request.url or ""
        proxy = proxy_for(url)
        proxies_by_scheme = {} if proxy is None else {urlsplit(url).scheme: proxy.url}
        return super().send(request, stream, timeout, verify, cert, proxies_by_scheme)


def outbound_session(session: requests.Session | None = None) -> requests.Session:
    """A new session of requests, or the given one, with this adapter."""
    session = session or requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session
