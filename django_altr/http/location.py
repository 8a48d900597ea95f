"""What the address of a vault may be."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

__all__ = ["is_loopback", "is_plain_http", "location_problem"]


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: 127.0.0.0/8, ::1 or ``localhost``; no name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain_http(location: str) -> bool:
    return location.lower().startswith("http://")


def location_problem(location: object) -> str | None:
    """Tell what is wrong with a LOCATION, ``None`` if nothing is. The text is not repeated: it may hold a secret."""
    if not isinstance(location, str) or not location:
        return "is missing: give scheme and host, for example 'https://altr.example.com'."
    if not location.isascii() or any(character <= " " for character in location):
        return "must be a URL without blanks and with ASCII characters only."
    try:
        parts = urlsplit(location)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "cannot be read as a URL."
    if parts.scheme not in ("http", "https") or not host:
        return "must start with https:// and a host (http:// only for this machine)."
    if "@" in parts.netloc or parts.query or parts.fragment or "\\" in location:
        return "must be scheme, host, port and path only; key and secret go into KEY and SECRET."
    if parts.scheme == "http" and not is_loopback(host):
        return "uses plain http to another machine, which would show every value on the network: use https."
    return None
