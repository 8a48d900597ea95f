"""Without what it needs, an import says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT_REST_FRAMEWORK = """
import sys
sys.modules["rest_framework"] = None
import django_altr.rest_framework
"""
WITH_OLD_URLLIB3 = """
import urllib3
del urllib3.BaseHTTPResponse  # new in 2.0
import django_altr.backends.chain
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "remedy"),
    [(WITHOUT_REST_FRAMEWORK, "pip install django-altr[rest]"), (WITH_OLD_URLLIB3, "pip install 'urllib3>=2'")],
)
def test_a_missing_package_is_named(script, remedy):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert remedy in done.stderr.splitlines()[-1]
