"""``python -m django_altr.sandbox``: the sandbox without a Django project."""

from __future__ import annotations

import argparse
import sys

from .cli import UsageError, add_arguments, run


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m django_altr.sandbox", description="An ALTR-compatible vault.")
    add_arguments(parser)
    try:
        run(vars(parser.parse_args(arguments)), lambda line: print(line, flush=True))  # noqa: T201
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
