"""Sessions of requests that go by `proxies` and `authorities`, and by nothing else.

requests would read a .netrc too, whose password would take the place of a forge's token.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from bot.outbound.authorities import tls_context
from bot.outbound.proxies import proxy_for


class _Adapter(HTTPAdapter):
    """An adapter whose connections trust what `tls_context` does, by the environment's proxy."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=tls_context())

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        context = tls_context()
        return super().proxy_manager_for(
            proxy, **options, ssl_context=context, proxy_ssl_context=context
        )

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave verifying to the context; requests would add certifi's authorities to it."""
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
        """Send a request by its URL's proxy, whatever `proxies` says."""
        del proxies
        url = request.url or ""
        proxy = proxy_for(url)
        found = {} if proxy is None else {urlsplit(url).scheme: proxy.url}
        return super().send(request, stream, timeout, verify, cert, found)


def outbound_session(session: requests.Session | None = None) -> requests.Session:
    """A session of requests, or the one given, that goes by both."""
    session = session or requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session
