"""Customers from a person's own CSV file.

The header decides: a column whose name is known fills its field, any other column is kept in ``preferences`` under its
own name. A row that cannot be taken is reported by line number and reason, never by its content.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac

from .csv_records import Records
from .models import Customer

#: Other names of the columns, compared without case, spaces and punctuation.
ALIASES = {
    "name": ["fullname", "customer", "customername"],
    "email": ["emailaddress", "mail", "emailid"],
    "phone": ["phonenumber", "telephone", "tel", "mobile", "mobilenumber", "cell"],
    "national_id": ["ssn", "socialsecuritynumber", "nino", "passport", "taxid", "personalid"],
    "iban": ["bankaccount", "account", "accountnumber"],
    "birth_date": ["birthday", "dob", "dateofbirth", "born"],
    "preferred_contact": ["contact", "contactby"],
    "notes": ["note", "comment", "comments", "remarks"],
    "preferences": ["prefs"],
    "segment": ["group", "tier"],
    "first_name": ["firstname", "givenname", "forename"],
    "last_name": ["lastname", "surname", "familyname"],
}
#: Fields whose cells may run over several lines.
MANY_LINES = {"notes", "preferences"}
DATE_FORMATS = ["%Y-%m-%d", "%d.%m.%Y"]
REASONS = {
    "blank": "is empty",
    "null": "is empty",
    "invalid": "is not valid",
    "invalid_choice": "is none of the choices",
    "max_length": "is too long",
    "null_characters_not_allowed": "has a NUL character",
}


class CsvError(Exception):
    """The file as a whole cannot be taken; the message says why and what to do."""


class BadRow(Exception):
    """One row cannot be taken; the message names the columns and the reasons, no values."""


@dataclass(frozen=True)
class Rejected:
    line: int
    reason: str


def _plain(header: str) -> str:
    return re.sub(r"[\W_]+", "", header).casefold()


_FIELDS = {_plain(name): field for field, names in ALIASES.items() for name in [field, *names]}


class CsvSource:
    """The rows of a CSV file in UTF-8 (or the given encoding), separated by commas, semicolons, tabs or pipes."""

    def __init__(self, path: Path, encoding: str = "utf-8-sig") -> None:
        self.path = path
        self.encoding = encoding
        self.title = path.name
        self.rejected: list[Rejected] = []
        self._check_readable()
        self.name = f"csv:{self._fingerprint()}"
        self.columns, self.extra_columns = self._read_header()
        self.count = sum(1 for _ in self._records())

    def rows(self, skip: set[int]) -> Iterator[Customer]:
        """Yield the unsaved customers of the good rows whose line number is not in ``skip``."""
        for line, cells in self._records(self.rejected):
            if line in skip:
                continue
            try:
                customer = self._customer(cells)
            except BadRow as error:
                self.rejected.append(Rejected(line, str(error)))
                continue
            customer.source, customer.source_row = self.name, line
            yield customer

    # -- the file

    def _records(self, rejected: list[Rejected] | None = None) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of the records after the header that have its shape."""
        with self._open() as file:
            records = Records(file, self._delimiter)
            next(records)
            for line, cells in records:
                if self._well_formed(cells):
                    yield line, cells
                    continue
                records.split()
                if rejected is not None:
                    rejected.append(Rejected(line, f"{self._shape(cells)}; look for a quote that is not closed"))

    def _open(self) -> TextIO:
        return self.path.open(encoding=self.encoding, newline="")

    def _check_readable(self) -> None:
        problem = None
        try:
            with self._open() as file:
                while file.read(1 << 20):
                    pass
        except UnicodeError:
            problem = (
                f"{self.path} is not in {self.encoding}. Save it as UTF-8, or name its encoding: --encoding cp1252"
            )
        except LookupError:
            problem = f"Unknown encoding {self.encoding!r}. Examples: utf-8, cp1252, utf-16"
        except OSError as error:
            problem = f"Cannot read {self.path}: {error.strerror}"
        if problem:  # outside of the except block: a decoding error carries the file's content
            raise CsvError(problem)

    def _fingerprint(self) -> str:
        # Keyed: a plain hash of a small file of personal data could be guessed.
        digest = salted_hmac("testproject.shop.csv", self.path.read_bytes(), algorithm="sha256")
        return digest.hexdigest()[:32]

    @cached_property
    def _delimiter(self) -> str:
        with self._open() as file:
            header = next((line for line in file if line.strip()), "")
        return max(",;\t|", key=header.count)

    def _read_header(self) -> tuple[dict[int, str], dict[int, str]]:
        with self._open() as file:
            _, header = next(Records(file, self._delimiter), (0, []))
        known: dict[int, str] = {}
        extra: dict[int, str] = {}
        for index, title in enumerate(header):
            field = _FIELDS.get(_plain(title))
            if field in known.values():
                raise CsvError(f"{self.path}: column {index + 1} is a second one for {field}. Remove one of the two.")
            if field:
                known[index] = field
            else:
                extra[index] = title.strip() or f"column {index + 1}"
        names = set(known.values())
        if "email" not in names or not names & {"name", "first_name", "last_name"}:
            raise CsvError(f"The first line of {self.path} must name the columns, 'name' and 'email' among them.")
        return known, extra

    # -- a row

    def _well_formed(self, cells: list[str]) -> bool:
        one_line = [index for index, field in self.columns.items() if field not in MANY_LINES]
        return len(cells) == self._width and not any("\n" in cells[index] for index in one_line)

    def _shape(self, cells: list[str]) -> str:
        return (
            f"has {len(cells)} cells, the header has {self._width}" if len(cells) != self._width else "runs over lines"
        )

    @property
    def _width(self) -> int:
        return len(self.columns) + len(self.extra_columns)

    def _customer(self, cells: list[str]) -> Customer:
        values: dict[str, Any] = {}
        problems = []
        for index, field in self.columns.items():
            try:
                values[field] = PARSERS.get(field, str)(cells[index].strip())
            except ValueError as error:
                problems.append(f"{field} {error}")
        if problems:
            raise BadRow(", ".join(problems))
        extra = {title: cells[index] for index, title in self.extra_columns.items() if cells[index]}
        return _validated(_with_full_name(values), extra)


def _with_full_name(values: dict[str, Any]) -> dict[str, Any]:
    parts = [values.pop("first_name", ""), values.pop("last_name", "")]
    if not values.get("name"):
        values["name"] = " ".join(str(part) for part in parts if part)
    return values


def _validated(values: dict[str, Any], extra: dict[str, str]) -> Customer:
    preferences = values.pop("preferences", {})
    # An empty cell of a column with a default means the default.
    if not values.get("segment", True):
        del values["segment"]
    customer = Customer(preferences={**extra, **preferences}, **values)
    reasons = None
    try:
        customer.clean_fields()
    except ValidationError as error:
        reasons = ", ".join(
            f"{field} {REASONS.get(problem.code or '', 'is not valid')}"
            for field, problems in error.error_dict.items()
            for problem in problems
        )
    if reasons:  # outside of the except block: a validation error carries the value
        raise BadRow(reasons)
    return customer


def _date(text: str) -> dt.date | None:
    for form in DATE_FORMATS:
        try:
            return dt.datetime.strptime(text, form).date() if text else None
        except ValueError:
            continue
    raise ValueError("is no date like 1990-12-31 or 31.12.1990")


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("is no JSON object")
    return value


def _choice(text: str) -> str:
    return text.casefold()


PARSERS: dict[str, Callable[[str], Any]] = {
    "birth_date": _date,
    "preferences": _json_object,
    "preferred_contact": _choice,
    "segment": _choice,
}
