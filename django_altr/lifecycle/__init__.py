"""The end of reference tokens: what is replaced, deleted, rolled back or erased.

``watch`` notices what statements replace and delete, ``release`` deletes it after commit, ``journal`` records it,
``orphans`` finds what no row holds, ``erasure`` erases the values of rows.
"""

from __future__ import annotations

# The fields import from here, and some modules here from the fields: the fields come first, whoever begins.
import django_altr.fields  # noqa: F401
