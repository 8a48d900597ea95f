"""The sandbox's endpoints as an OpenAPI 3 description: what may be sent, and every answer that is documented.

The known tokens and the known profile are those that the test puts into the sandbox, so that some requests find one.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

KNOWN_CHAIN = f"chain_{'0' * 64}"
KNOWN_VAULTED = f"vaultn_{'0' * 64}"
KNOWN_CRITICAL = f"token_{'0' * 64}"
KNOWN_EMAIL = "ada@example.com"

CHAIN = "^chain_[0-9a-f]{64}$"
VAULTED = "^vault[nd]_[A-Za-z0-9]{64}$"
CRITICAL = "^token_[A-Za-z0-9]{64}$"

TEXT: Schema = {"type": "string"}
TRUE: Schema = {"const": True}
FALSE: Schema = {"const": False}


def obj(*optional: str, **properties: Schema) -> Schema:
    """Describe an object that has these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def batch(value: Schema, limit: int) -> Schema:
    return {"type": "object", "additionalProperties": value, "maxProperties": limit}


def token(known: str, pattern: str) -> Schema:
    return {"anyOf": [{"const": known}, {"type": "string", "pattern": pattern}]}


def answer(description: str, schema: Schema, media_type: str = "application/json", **headers: Schema) -> Schema:
    named = {f"X-{name.replace('_', '-')}": {"schema": schema} for name, schema in headers.items()}
    return {"description": description, "headers": named, "content": {media_type: {"schema": schema}}}


def operation(responses: Schema, body: Schema | None = None, *parameters: Schema, media_type: str = "") -> Schema:
    described: Schema = {"parameters": list(parameters), "responses": responses}
    if body is not None:
        content = {media_type or "application/json": {"schema": body}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def header(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "schema": schema}


# The classic API

ERROR_TYPES = {
    "400": "bad_request",
    "401": "unauthorized",
    "403": "forbidden",
    "404": "resource_not_found",
    "405": "method_not_allowed",
    "509": "bandwidth",
}
FLAG: Schema = {"type": "string", "enum": ["true"]}
NUMBER: Schema = {"type": "string", "pattern": "^[0-9]+$"}
DETERMINISM = header("X-ALTR-DETERMINISM", {"type": "string", "enum": ["true", "false"]})
REFERENCE_TOKEN = {"name": "referenceToken", "in": "path", "required": True, "schema": token(KNOWN_CHAIN, CHAIN)}
#: What a token with slashes turns the path into is found nowhere, or is another resource.
OTHER_PATH = ("404", "405")


def classic_errors(*statuses: str, flat: bool = False) -> Schema:
    """Describe the errors. GetMetadata has them flat, but for paths that are none."""
    errors = {}
    for status in statuses:
        error = obj(error_type={"const": ERROR_TYPES[status]}, error_message=TEXT)
        nested = obj(success=FALSE, response=error)
        schema = {"anyOf": [error, nested]} if flat and status in OTHER_PATH else error if flat else nested
        errors[status] = answer(ERROR_TYPES[status], schema)
    return errors


def single(success: Schema, *, flat: bool = False) -> Schema:
    """Describe a GET of one token."""
    errors = classic_errors("400", "401", "403", *OTHER_PATH, flat=flat)
    return {"get": operation({"200": success, **errors}, None, REFERENCE_TOKEN)}


STATUS = obj(**dict.fromkeys(("token_active", "data_protected", "data_available"), {"type": "boolean"}))
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
TOKEN_OR_NULL: Schema = {"anyOf": [{"type": "string", "pattern": CHAIN}, {"type": "null"}]}

CLASSIC = {
    "/api/v1/single/": {
        "post": operation(
            {
                "200": answer(
                    "stored",
                    obj(
                        success=TRUE,
                        response=obj(data=obj(referenceToken={"type": "string", "pattern": CHAIN})),
                    ),
                ),
                **classic_errors("400", "401", "403"),
            },
            {"type": "string", "format": "binary"},
            header("X-ALTR-METADATA", TEXT),
            header("X-Content-Length-Hint", {"type": "integer", "minimum": 0}),
            media_type="application/octet-stream",
        )
    },
    "/api/v1/single/{referenceToken}": single(
        answer(
            "the data",
            {"type": "string", "format": "binary"},
            "application/octet-stream",
            Expected_Hash={"type": "string", "pattern": "^[0-9a-f]{32}$"},
            ALTR_Metadata=TEXT,
        )
    ),
    "/api/v1/single/{referenceToken}/metadata": single(
        answer("the metadata", obj("metadata", success=TRUE, metadata=MAYBE_TEXT)), flat=True
    ),
    "/api/v1/single/{referenceToken}/status": single(
        answer("the status", obj(success=TRUE, response=obj(data=STATUS)))
    ),
    "/api/v1/batch": {
        "post": operation(
            {
                "200": answer("tokens", batch(TOKEN_OR_NULL, 1024), Overflow_Data=FLAG, Bytes_Consumed=NUMBER),
                **classic_errors("400", "401", "403", "509"),
            },
            batch(TEXT, 1024),
            DETERMINISM,
        ),
        # What is no token comes back as it is, whatever its type.
        "put": operation(
            {
                "200": answer("data", batch({}, 1024), Overflow_Data=FLAG),
                **classic_errors("400", "401", "403", "404", "509"),
            },
            batch({"anyOf": [token(KNOWN_CHAIN, CHAIN), {"type": ["string", "integer", "array"]}]}, 1024),
        ),
    },
}


# Vaulted and Critical


def v2(data: Schema, body: Schema, *parameters: Schema) -> Schema:
    success = answer("success", obj(success=TRUE, data=data))
    error = answer("error", obj(success=FALSE, error=TEXT))
    return operation({"200": success, **dict.fromkeys(("400", "401", "403"), error)}, body, *parameters)


def service(base: str, known: str, pattern: str, limit: int, max_length: int) -> Schema:
    plaintext = batch({"type": "string", "maxLength": max_length}, limit)
    tokens = batch({"type": "string", "pattern": pattern}, limit)
    asked = batch(token(known, pattern), limit)
    anything = batch({"anyOf": [token(known, pattern), TEXT]}, limit)
    return {
        f"{base}/batch": {"post": v2(tokens, plaintext, DETERMINISM), "put": v2(batch(TEXT, limit), asked)},
        f"{base}/batch/partial": {"put": v2(batch({}, limit), anything)},
        f"{base}/batch/delete": {"put": v2(obj(), anything)},
    }


# Altcraft

REFUSALS = [400, 401, 402, 403, 404, 409, 413, 415, 435, 441, 450]
REFUSED = obj(error={"enum": REFUSALS}, error_text=TEXT)
PROFILE_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
EMAIL: Schema = {"enum": [KNOWN_EMAIL, "nobody@example.com"]}
PROFILE: Schema = {
    "type": "object",
    "properties": {
        "email": EMAIL,
        "phones": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{5,12}$"}},
        "_fname": TEXT,
        "custom": {},
    },
}
WHERE: Schema = {
    "db_id": {"enum": [1, 2]},
    "resource_id": {"enum": [1, 2]},
    "matching": {"enum": ["phone", "profile_id", "custom"]},
    "email": EMAIL,
    "phone": TEXT,
    "profile_id": TEXT,
    "field_name": {"enum": ["custom", "_fname"]},
    "field_value": {"type": ["string", "integer"]},
}


def done(*optional: str, **properties: Schema) -> Schema:
    return obj(*optional, error={"const": 0}, error_text=TEXT, **properties)


def altcraft(success: Schema, **properties: Schema) -> dict[str, Schema]:
    """Describe a method: an error is a code in the body, and its HTTP status too where the server is set up so."""
    by_email = obj(db_id={"const": 1}, matching={"const": "email"}, email=EMAIL, **properties)
    otherwise = {"type": "object", "properties": WHERE | properties, "required": ["db_id", "matching", *properties]}
    refused = {str(code): answer("refused", REFUSED) for code in REFUSALS}
    responses = {"200": answer("done or refused", {"anyOf": [success, REFUSED]}), **refused}
    return {"post": operation(responses, {"anyOf": [by_email, otherwise]}, header("Request-ID", TEXT))}


ALTCRAFT = {
    "/api/v1.1/profiles/import": altcraft(done(profile_id=PROFILE_ID), data=PROFILE),
    "/api/v1.1/profiles/import_batch": altcraft(
        done(result={"type": "array", "items": {"anyOf": [done(profile_id=PROFILE_ID), REFUSED]}}),
        data={"type": "array", "items": PROFILE},
    ),
    "/api/v1.1/profiles/delete": altcraft(done(data=obj(profile_id=PROFILE_ID))),
    "/api/v1.1/profiles/get": altcraft(done(id=PROFILE_ID, data={"type": "object"})),
}

OPENAPI: Schema = {
    "openapi": "3.1.0",
    "info": {"title": "The sandbox", "version": "1"},
    "paths": {
        **CLASSIC,
        **service("/api/v2", KNOWN_VAULTED, VAULTED, 4096, 1023),
        **service("/v2", KNOWN_CRITICAL, CRITICAL, 1024, 127),
        **ALTCRAFT,
    },
}
OPERATIONS = [(method.upper(), path) for path, methods in OPENAPI["paths"].items() for method in methods]
