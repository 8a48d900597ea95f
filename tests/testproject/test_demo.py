"""`manage.py demo` against the sandbox, its requests counted at the server."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from testproject.shop.models import Customer, Order

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def vault(sandbox, settings):
    settings.ALTR = {"default": sandbox.settings()}
    return sandbox


def demo(**options) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("demo", stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def raw_columns(*names: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(names)} FROM shop_customer ORDER BY id")
        return cursor.fetchall()


def test_generated_customers_are_stored_as_tokens():
    demo(customers=5)
    tokenized = ["name", "email", "phone", "national_id", "iban", "birth_date", "preferred_contact", "preferences"]
    cells = [cell for row in raw_columns(*tokenized) for cell in row]
    assert len(cells) == 40
    assert all(cell.startswith("chain_") for cell in cells)


def test_a_seed_always_gives_the_same_customers():
    demo(customers=3)
    first = list(Customer.objects.values_list("name", flat=True))
    names = [name() for name in first]
    Customer.objects.all().delete()
    demo(customers=3)
    assert [customer.name for customer in Customer.objects.all()] == names
    demo(customers=3, seed=2)
    assert [customer.name for customer in Customer.objects.all()[3:]] != names


def test_running_it_again_loads_only_what_is_missing():
    demo(customers=3)
    orders = Order.objects.count()
    out, _ = demo(customers=5)
    assert "2 loaded, 3 were there already" in out
    assert Customer.objects.count() == 5
    assert Order.objects.filter(customer__source_row__lte=3).count() == orders


def test_it_shows_the_raw_row_beside_what_the_app_reads():
    out, _ = demo(customers=1)
    customer = Customer.objects.get()
    (line,) = [line for line in out.splitlines() if re.search(r"\bemail\b.*@", line)]
    assert customer.email_token[:40] in line
    assert customer.email in line


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "requests"), [(1024, 1), (1025, 2)])
def test_it_tells_the_requests_of_reading_everyone_as_the_server_counts_them(tmp_path, vault, rows, requests):
    path = tmp_path / "people.csv"
    path.write_text("name,email\n" + "".join(f"P{n},p{n}@example.com\n" for n in range(rows)))
    before = vault.count("PUT /api/v1/batch")
    out, _ = demo(csv=path)
    # One more shows the row: each of its columns that hold a token (name, email).
    assert vault.count("PUT /api/v1/batch") - before == requests + 3
    assert f"of all {rows:,} customers in a loop took {requests} vault request" in out


def test_bad_rows_are_reported_and_the_rest_is_loaded(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("Name,E-Mail,Pet\nAda,ada@example.com,cat\nBob,SECRET,dog\n")
    out, err = demo(csv=path)
    assert "1 loaded" in out
    assert "no field has their name: Pet" in out
    assert "line 3: email is not valid" in err
    assert "SECRET" not in out + err
    assert Customer.objects.get().preferences == {"Pet": "cat"}


def test_loading_the_same_file_again_adds_nothing(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("name,email\nAda,ada@example.com\n")
    demo(csv=path)
    out, _ = demo(csv=path)
    assert "0 loaded, 1 were there already" in out


def test_a_vault_that_is_down_is_said_without_a_traceback(settings, vault):
    settings.ALTR = {"default": vault.settings(key=None, retries=0)}
    with vault.misbehave(status=503), pytest.raises(CommandError, match="503|vault"):
        demo(customers=1)
    assert not Customer.objects.exists()


def test_a_file_that_cannot_be_read_is_said_without_a_traceback(tmp_path):
    with pytest.raises(CommandError, match="No such file"):
        demo(csv=tmp_path / "none.csv")


def test_the_admin_user_gets_a_new_password_each_time(django_user_model):
    passwords = []
    for _ in range(2):
        out = StringIO()
        call_command("demo_admin", stdout=out)
        passwords.append(out.getvalue().strip())
    admin = django_user_model.objects.get(username="admin")
    assert passwords[0] != passwords[1]
    assert admin.is_superuser
    assert admin.check_password(passwords[1])
