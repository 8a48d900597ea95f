"""Settings of the processes that the soak tests start: database and vault come from the environment."""

from __future__ import annotations

from django_altr.conf import parse_altr_url
from tests.settings import *  # noqa: F403
from tests.settings import ALTR, env

ALTR = {**ALTR, "default": parse_altr_url(env.str("ALTR_URL", "altr-locmem://"))}
ROOT_URLCONF = "tests.soak.web"
ALLOWED_HOSTS = ["*"]
MIDDLEWARE: list[str] = []
