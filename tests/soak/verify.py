"""Read every row: ``python -m tests.soak.verify``; prints how many there are, and how many are wrong."""

from __future__ import annotations

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.soak.settings")


def main() -> None:
    django.setup()
    from tests.models import Person

    from .rows import is_right

    people = list(Person.objects.prefetch_related("name"))
    wrong = sum(not is_right(person) for person in people)  # a token that does not resolve raises
    sys.stdout.write(json.dumps({"rows": len(people), "wrong": wrong}))


if __name__ == "__main__":
    main()
