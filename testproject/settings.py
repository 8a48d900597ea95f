"""Settings of the demo project; everything that differs between machines comes from the environment."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.management.utils import get_random_secret_key

from django_altr.conf import parse_altr_url

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
#: Whatever the demo makes lives here: databases, the vault of the sandbox, its log.
STATE_DIR = Path(env.str("STATE_DIR", default=str(BASE_DIR / "var")))
SANDBOX_URL = "altr+http://sandbox-key:sandbox-secret@127.0.0.1:8200"


def development_secret_key() -> str:
    """Return the key made at the first start, so that a restart logs nobody out."""
    STATE_DIR.mkdir(parents=True, exist_ok=True)
    path = STATE_DIR / "secret_key"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(get_random_secret_key())
    return path.read_text()


DEBUG = env.bool("DEBUG", default=True)
SECRET_KEY = env.str("SECRET_KEY", default="") or development_secret_key()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

ALTR = {"default": parse_altr_url(env.str("ALTR_URL", default=SANDBOX_URL))}
# The sandbox stands in for the marketing platform too.
sandbox_port = urlsplit(ALTR["default"].get("LOCATION", "")).port or 8200
ALTCRAFT = {
    "default": {
        "URL": env.str("ALTCRAFT_URL", default=f"http://127.0.0.1:{sandbox_port}"),
        "TOKEN": env.str("ALTCRAFT_TOKEN", default="sandbox-token"),
    }
}
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{STATE_DIR / 'db.sqlite3'}")}
CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Readers and one writer side by side, and a writer that waits for its turn.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_altr",
    "django_altr.contrib.altcraft",
    "testproject.shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "testproject.urls"
WSGI_APPLICATION = "testproject.wsgi.application"
LOGIN_URL = "admin:login"
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Error pages and mails mask what may be plaintext, with DEBUG on too.
DEFAULT_EXCEPTION_REPORTER_FILTER = "django_altr.reports.ReporterFilter"
