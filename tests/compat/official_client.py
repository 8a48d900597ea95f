"""Runs ALTR's official client (`altr-mcp`, GPL) in an environment of its own; a test talks to it over pipes.

Standard input: ``{"service": "vault" | "critical", "call": "tokenize", "data": {...}, "options": {...}}``; standard
output: the answer as JSON. Address and credentials come from the environment, as the client wants them.
"""

import asyncio
import importlib
import json
import os
import sys

import httpx


def main() -> None:
    request = json.load(sys.stdin)
    client = importlib.import_module(f"altr_mcp.utils.{request['service']}_tokenization")
    auth = httpx.BasicAuth(os.environ["MAPI_KEY"], os.environ["MAPI_SECRET"])
    answer = asyncio.run(getattr(client, request["call"])(auth, request["data"], **request["options"]))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
