"""Without Django REST framework the import says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
sys.modules["rest_framework"] = None
import django_altr.rest_framework
"""


@pytest.mark.slow
def test_a_missing_package_names_the_extra():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert "pip install django-altr[rest]" in done.stderr
