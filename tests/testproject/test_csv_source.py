"""A person's own file: columns by header, bad rows reported and skipped, nothing else lost."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from testproject.shop.csv_source import CsvError, CsvSource
from testproject.shop.models import Customer


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "people.csv"

    def write(text: str, encoding: str = "utf-8") -> Path:
        path.write_bytes(text.encode(encoding))
        return path

    return write


def load(path: Path, **options) -> tuple[list[Customer], list[tuple[int, str]]]:
    source = CsvSource(path, **options)
    customers = list(source.rows(skip=set()))
    return customers, [(rejected.line, rejected.reason) for rejected in source.rejected]


def test_every_field_has_a_column(csv):
    customers, rejected = load(
        csv(
            "name,email,phone,national_id,iban,birth_date,preferred_contact,notes,preferences,segment\n"
            'Ada,ada@x.org,+44 1,QQ123456C,GB1,1815-12-10,Email,"two\nlines","{""a"": 1}",VIP\n'
        )
    )
    (ada,) = customers
    assert not rejected
    assert [ada.name, ada.email, ada.phone, ada.national_id, ada.iban] == [
        "Ada", "ada@x.org", "+44 1", "QQ123456C", "GB1",
    ]  # fmt: skip
    assert ada.birth_date == dt.date(1815, 12, 10)
    assert [ada.preferred_contact, ada.segment, ada.notes] == ["email", "vip", "two\nlines"]
    assert ada.preferences == {"a": 1}


@pytest.mark.parametrize(
    "header", ["Full Name,E-Mail", " NAME , Email Address ", "customer name,mail", "\ufeffname,EMAIL"]
)
def test_headers_match_by_alias_without_case_and_spaces(csv, header):
    customers, _ = load(csv(f"{header}\nAda,ada@x.org\n"))
    assert [(each.name, each.email) for each in customers] == [("Ada", "ada@x.org")]


def test_first_and_last_name_make_the_name(csv):
    customers, _ = load(csv("First Name,Surname,email\nAda,Lovelace,ada@x.org\n"))
    assert customers[0].name == "Ada Lovelace"


def test_unknown_columns_are_kept_in_the_preferences(csv):
    source = CsvSource(csv("name,email,Shoe size,Pet\nAda,ada@x.org,38,\n"))
    (ada,) = source.rows(skip=set())
    assert ada.preferences == {"Shoe size": "38"}
    assert list(source.extra_columns.values()) == ["Shoe size", "Pet"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_tells_the_delimiter(csv, delimiter):
    customers, _ = load(csv(delimiter.join(["name", "email"]) + "\n" + delimiter.join(["Ada", "ada@x.org"]) + "\n"))
    assert customers[0].email == "ada@x.org"


def test_bad_rows_are_reported_by_line_and_reason_and_the_rest_is_loaded(csv):
    customers, rejected = load(
        csv(
            "name,email,birth_date\n"
            "Ada,ada@x.org,1815-12-10\n"
            "Bob,not-an-address,\n"
            "\n"
            ",eve@x.org,31.12.1999\n"
            "Carl,carl@x.org,12/31/1999\n"
            "Dora,dora@x.org\n"
            f"{'x' * 201},long@x.org,\n"
            "Finn,finn@x.org,31.12.1999\n"
        )
    )
    assert [each.email for each in customers] == ["ada@x.org", "finn@x.org"]
    assert rejected == [
        (3, "email is not valid"),
        (5, "name is empty"),
        (6, "birth_date is no date like 1990-12-31 or 31.12.1990"),
        (7, "has 2 cells, the header has 3; look for a quote that is not closed"),
        (8, "name is too long"),
    ]


def test_reasons_never_repeat_a_value(csv):
    _, rejected = load(csv("name,email,segment,preferences\nSECRET,SECRET,SECRET,SECRET\n,S@,SECRET,{}\n"))
    assert len(rejected) == 2
    assert "SECRET" not in str(rejected)


def test_an_unclosed_quote_costs_its_own_line_only(csv):
    customers, rejected = load(csv('name,email\n"Ada,ada@x.org\nBob,bob@x.org\nCarl,carl@x.org\n'))
    assert [each.name for each in customers] == ["Bob", "Carl"]
    assert [line for line, _ in rejected] == [2]


def test_an_unclosed_quote_that_meets_another_is_found_by_the_line_break(csv):
    customers, rejected = load(csv('name,email,pet\n"Ada,ada@x.org,cat\nBob,bob@x.org,"dog"\nEve,eve@x.org,\n'))
    assert [each.name for each in customers] == ["Bob", "Eve"]
    assert [line for line, _ in rejected] == [2]


def test_line_numbers_count_lines_of_the_file_after_cells_of_many_lines(csv):
    _, rejected = load(csv('name,email,notes\nAda,ada@x.org,"1\n2\n3"\n,eve@x.org,\n'))
    assert [line for line, _ in rejected] == [5]


def test_windows_line_ends_and_another_encoding(csv):
    customers, _ = load(csv("name;email\r\nJosé;jose@x.org\r\n", encoding="cp1252"), encoding="cp1252")
    assert customers[0].name == "José"


def test_rows_that_are_there_already_are_left_out(csv):
    source = CsvSource(csv("name,email\nAda,ada@x.org\nBob,bob@x.org\n"))
    assert [each.name for each in source.rows(skip={2})] == ["Bob"]


def test_the_source_is_named_by_the_file_content_under_a_key(csv):
    first, again = (CsvSource(csv("name,email\nAda,ada@x.org\n")).name for _ in range(2))
    assert first == again != CsvSource(csv("name,email\nBob,bob@x.org\n")).name


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("", "utf-8", "must name the columns"),
        ("Ada,ada@x.org\n", "utf-8", "must name the columns"),
        ("name,Full name,email\n", "utf-8", "column 2 is a second one for name"),
        ("name,email\nJosé,j@x.org\n", "cp1252", "--encoding"),
    ],
)
def test_a_file_that_cannot_be_taken_says_why(csv, text, encoding, message):
    with pytest.raises(CsvError, match=message) as caught:
        CsvSource(csv(text, encoding=encoding))
    assert caught.value.__context__ is None


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(CsvError, match="No such file"):
        CsvSource(tmp_path / "none.csv")
