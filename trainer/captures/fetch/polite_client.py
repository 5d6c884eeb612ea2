"""Requests to a public server: one at a time, spaced, named, with bounded retries and checked redirects."""

from __future__ import annotations

import http.client
import ipaddress
import json
import logging
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from skygen_addon.core.errors import CaptureError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

RETRIED = (429, 500, 502, 503, 504)
"""HTTP states that pass by themselves."""

TRIES = 6
"""Times that one thing is asked for; the waits between them double from two seconds on."""

LONGEST_WAIT_S = 600.0
"""A server that asks for a longer pause is left alone."""

TIMEOUT_S = 30.0
"""Silence after which a connection counts as lost."""

LARGEST_ANSWER = 1 << 26
"""Bytes of JSON that are read at most."""


class Unreachable(CaptureError):
    """The server cannot be reached or keeps refusing: no other request would do better."""


class BadAnswer(CaptureError):
    """An answer that makes no sense; another file may still be fine."""


class Refused(BadAnswer):
    """An HTTP error that trying again does not cure."""

    def __init__(self, status: int, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.status = status


class Transient(Exception):
    """Something that may pass: what happened, and the least pause that the server asks for."""

    def __init__(self, problem: str, wait_s: float = 0.0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.wait_s = wait_s


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_url(url: object, plain_http: bool) -> str:
    """The URL, if it may be opened: https with a host, or http where ``plain_http`` allows it.

    Raises
    ------
    BadAnswer
        It is anything else (``file:``, a path, white space, not even text).
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) and url.isascii() and url.isprintable() else None
        sound = parts is not None and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port or an IPv6 address that is none
        parts, sound = None, False
    if parts is None or not sound or " " in str(url) or parts.scheme not in ("https", "http")[: 1 + plain_http]:
        raise BadAnswer(f"The server names {str(url)[:200]!r} as an address.", "Try again later, or report it there.")
    return str(url)


def retry_after_s(value: str | None, now: datetime) -> float:
    """Seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3: seconds or a date); 0 without a sound one."""
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that could be opened directly."""

    def __init__(self, plain_http: bool) -> None:
        self._plain_http = plain_http

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        check_url(newurl, self._plain_http)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


class PoliteClient:
    """Asks one server after the other's rules.

    Parameters
    ----------
    user_agent : str
        Names the program and its version, as public interfaces ask for.
    interval_s : float
        Least time between the beginnings of two requests, in seconds.
    plain_http : bool
        Whether http is allowed beside https; only for a server on this machine.
    sleep, clock : callable
        How to wait and how to read a steady clock, both in seconds.
    """

    def __init__(
        self,
        user_agent: str,
        interval_s: float,
        plain_http: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._user_agent = user_agent
        self._interval_s = interval_s
        self._sleep = sleep
        self._clock = clock
        self._opener = urllib.request.build_opener(_CheckedRedirects(plain_http))
        self._earliest_s = clock()
        self._reached = False
        self.plain_http = plain_http

    def open_once(self, url: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """Send one request, when it is its turn; the caller closes the response.

        Raises
        ------
        Transient
            A fault that may pass (use within :meth:`persist`).
        Refused, BadAnswer
            Another HTTP error, or an address or a redirect that is not followed.
        Unreachable
            The first request of all meets no server, or its certificate is not trusted.
        """
        request = urllib.request.Request(
            check_url(url, self.plain_http), headers={**(headers or {}), "User-Agent": self._user_agent}
        )
        now = self._clock()
        if now < self._earliest_s:
            self._sleep(self._earliest_s - now)
        self._earliest_s = self._clock() + self._interval_s
        host = urlsplit(url).netloc
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            self._reached = True
            with error:
                wait_s = retry_after_s(error.headers.get("Retry-After"), datetime.now(UTC))
            if error.code in RETRIED:
                raise Transient(f"{host} answers {error.code}", wait_s) from None
            if 300 <= error.code < 400:
                raise Refused(
                    error.code, f"{host} redirects {url} in a loop or to no web address.", "Try again later."
                ) from None
            raise Refused(error.code, f"{host} answers {error.code} to {url}.", "Check the request.") from None
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(host, error) from None
        self._reached = True
        return response

    def _lost(self, host: str, error: Exception) -> Exception:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        if isinstance(reason, ssl.SSLCertVerificationError):
            return Unreachable(f"The certificate of {host} is not trusted ({words}).", "Check clock and proxy.")
        if self._reached:
            return Transient(f"{host} does not answer ({words})")
        return Unreachable(f"{host} cannot be reached ({words}).", "Check the connection, then run it again.")

    def persist(self, action: Callable[[], Result]) -> Result:
        """The action's result, trying again while it raises Transient.

        Raises
        ------
        Unreachable
            It failed ``TRIES`` times, or the server asks for a pause longer than ``LONGEST_WAIT_S``.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return action()
            except Transient as fault:
                if fault.wait_s > LONGEST_WAIT_S:
                    raise Unreachable(
                        f"{fault.problem} and asks for a pause of {fault.wait_s / 60:.0f} minutes.",
                        "Run the command again after it; what is here is kept.",
                    ) from None
                if attempt == TRIES:
                    raise Unreachable(
                        f"{fault.problem}, {TRIES} times.", "Run the command again later; what is here is kept."
                    ) from None
                wait_s = max(2.0**attempt, fault.wait_s)
                logger.info("%s; trying again in %.0f s", fault.problem, wait_s)
                self._sleep(wait_s)
        raise AssertionError("the last try returns or raises")

    def json(self, url: str) -> Any:
        """The JSON value at a URL.

        Raises
        ------
        BadAnswer, Unreachable
            It is not JSON, or cannot be had.
        """
        text = self.persist(lambda: self._read_once(url))
        try:
            return json.loads(text)
        except (ValueError, RecursionError):  # bytes that are no text are a ValueError too
            begin = " ".join(text[:60].decode("utf-8", "replace").split())
            raise BadAnswer(
                f"{url} answers no JSON, but {begin!r}.",
                "Check --api, and that no login page of the network stands between.",
            ) from None

    def _read_once(self, url: str) -> bytes:
        with self.open_once(url) as response:
            expected = response.length
            try:
                text = response.read(LARGEST_ANSWER + 1)
            except (OSError, http.client.HTTPException):
                raise Transient(f"The connection to {urlsplit(url).netloc} was cut") from None
        if len(text) > LARGEST_ANSWER:
            raise BadAnswer(f"{url} answers more than {LARGEST_ANSWER >> 20} MB.", "Check --api.")
        if expected is not None and len(text) < expected:  # `read` with a bound does not complain itself
            raise Transient(f"The connection to {urlsplit(url).netloc} was cut")
        return text
