"""Read a page as a browser does, and fill in its form."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any


class _Form(HTMLParser):
    """Collects what a browser would send of the page's POST form with fields in it."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, list[str]] = {}
        self.inside = False
        self.select: str | None = None
        self.first_option: str | None = None
        self.textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, kind = given.get("name"), given.get("type") or "text"
        if tag == "form":
            self.inside = given.get("method") == "post" and given.get("id") != "logout-form"
        elif not self.inside:
            return
        elif tag == "input" and name and kind not in ("submit", "button", "file"):
            if kind not in ("checkbox", "radio") or "checked" in given:
                self.data.setdefault(name, []).append(given.get("value") or ("on" if kind == "checkbox" else ""))
        elif tag == "select":
            self.select, self.first_option = name, None
        elif tag == "option" and self.select:
            if self.first_option is None:
                self.first_option = given.get("value") or ""
            if "selected" in given:
                self.data.setdefault(self.select, []).append(given.get("value") or "")
        elif tag == "textarea" and name:
            self.textarea = name
            self.data[name] = [""]

    def handle_data(self, data: str) -> None:
        if self.textarea:
            self.data[self.textarea][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "textarea" and self.textarea:
            self.data[self.textarea][0] = self.data[self.textarea][0].removeprefix("\r\n").removeprefix("\n")
            self.textarea = None
        elif tag == "select" and self.select:
            if self.select not in self.data and self.first_option is not None:
                self.data[self.select] = [self.first_option]
            self.select = None


def form_data(response: Any, **changes: Any) -> dict[str, Any]:
    """Return what a browser sends for the page's form, with changes (dashes in names are underscores twice)."""
    parser = _Form()
    parser.feed(response.content.decode())
    data: dict[str, Any] = parser.data
    return {**data, **{name.replace("__", "-"): value for name, value in changes.items()}}
