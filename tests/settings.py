"""Settings of the test suite: SQLite unless DATABASE_URL says otherwise, and an in-memory vault."""

from __future__ import annotations

import environ

env = environ.Env()

SECRET_KEY = "tests"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DATABASES = {"default": env.db("DATABASE_URL", default="sqlite://:memory:")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_altr",
    "django_altr.contrib.altcraft",
    "tests",
    "testproject.shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALTR = {
    "default": {"BACKEND": "django_altr.backends.locmem.LocMemBackend"},
    "second": {"BACKEND": "django_altr.backends.locmem.LocMemBackend"},
}
ALTCRAFT = {"default": {"URL": "http://127.0.0.1:9", "TOKEN": "a-token-of-nobody"}}
# The models of the suite have no migrations, and some point to users: all their tables are made together.
MIGRATION_MODULES = dict.fromkeys(["admin", "auth", "contenttypes", "sessions"])
