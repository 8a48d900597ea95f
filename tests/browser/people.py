"""Somebody with a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client

#: Parts of Django's own admin with findings of their own: inputs of dates and of tabular inlines have no labels, links
#: of breadcrumbs no underline.
NOT_OURS = [".datetime", ".inline-group .tabular", ".breadcrumbs"]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SCREENSHOTS = os.environ.get("ALTR_SCREENSHOTS")

REPORT_VIOLATIONS = """
    addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
"""


class Visitor:
    """One browser of one user, and what went wrong in it."""

    def __init__(self, context: Any, user: Any, site: str) -> None:
        self.context = context
        self.site = site
        self.user = user
        self.problems: list[str] = []
        context.add_init_script(REPORT_VIOLATIONS)
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _listen(self, message: Any) -> None:
        if message.type == "error" and "favicon" not in message.location.get("url", ""):
            self.problems.append(message.text)

    def log_in(self) -> Any:
        """Take over a session of the user; return the browser's page."""
        client = Client()
        client.force_login(self.user)
        name = settings.SESSION_COOKIE_NAME
        self.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": self.site}])
        return self.page

    def log_in_by_hand(self) -> Any:
        """Log in through the admin's own page; return the browser's page."""
        self.page.goto("/admin/")
        self.page.fill("#id_username", self.user.username)
        self.page.fill("#id_password", "secret")
        self.page.click("input[type=submit]")
        self.page.wait_for_selector("#user-tools")
        return self.page

    def leave(self) -> None:
        self.context.close()

    def axe_findings(self) -> list[str]:
        """Return the serious findings of axe-core on the page as it is, which kept its policy so far."""
        assert self.problems == []
        # Through the browser's own protocol, which the page's policy does not bind.
        self.page.evaluate(AXE.read_text())
        report = self.page.evaluate("(exclude) => axe.run({exclude}, {resultTypes: ['violations']})", NOT_OURS)
        self.problems.clear()  # axe itself adds a style
        return [
            f"{finding['id']}: {node['html']}"
            for finding in report["violations"]
            if finding["impact"] in ("serious", "critical")
            for node in finding["nodes"]
        ]

    def screenshot(self, name: str, **options: Any) -> None:
        """Take a picture for the documentation, when pictures are asked for (ALTR_SCREENSHOTS=docs/images)."""
        if SCREENSHOTS:
            assert self.problems == []
            # Playwright hides the caret by a style of its own, which the page's policy forbids.
            options.setdefault("caret", "initial")
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", **options)
