"""The shop's admin in a browser, on the live server and the sandbox."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from testproject.shop.admin import CustomerAdmin
from testproject.shop.models import Customer, Order

VIEW = ("view_customer", "view_order")
CHANGE = (*VIEW, "change_customer", "change_order")
REVEAL = (*CHANGE, "reveal_customer")
IBAN = "DE89370400440532013000"
LIST = "/admin/shop/customer/"


@pytest.fixture
def customer(vault: Any, transactional_db: None) -> Customer:
    customer = Customer.objects.create(
        name="Ada Lovelace",
        email="ada@example.com",
        phone="+44 20 7946 0321",
        national_id="QQ123456C",
        iban=IBAN,
        birth_date=date(1815, 12, 10),
        notes="Prefers letters.\nWrites programs.",
        preferences={"newsletter": True},
    )
    Order.objects.create(customer=customer, total=Decimal("17.50"))
    return Customer.objects.get(pk=customer.pk)


def open_customer(visitor: Any, customer: Customer) -> Any:
    page = visitor.log_in()
    page.goto(f"{LIST}{customer.pk}/change/")
    return page


def details_have_arrived(page: Any, field: str = "iban") -> None:
    page.locator(f".field-{field} .altr-facts dt").get_by_text("Status", exact=True).wait_for()


def reveal(page: Any, field: str, reason: str = "The customer called") -> None:
    page.click(f".field-{field} .altr-reveal")
    page.fill(f".field-{field} .altr-why input", reason)
    page.keyboard.press("Enter")
    page.locator(f".field-{field} .altr-value:visible").wait_for()


def test_list_shows_masks_and_asks_for_nothing(visit: Any, customer: Customer, vault: Any) -> None:
    agent = visit(*VIEW)
    page = agent.log_in_by_hand()
    before = vault.count()
    page.click("a[href='/admin/shop/customer/']")
    page.locator("#result_list .altr-mask").first.wait_for()
    assert page.locator("#result_list .altr-mask").count() == 3
    assert not re.search(r"\bAda\b", page.content())
    assert vault.count() == before
    assert agent.axe_findings() == []


def test_metadata_and_status_arrive_after_the_page(visit: Any, customer: Customer, vault: Any) -> None:
    agent = visit(*VIEW)
    page = agent.log_in()
    before = vault.count()
    with vault.misbehave(latency=0.5):
        page.goto(f"{LIST}{customer.pk}/change/", wait_until="domcontentloaded")
        assert page.locator(".field-name .altr-facts").inner_text().count("shop.Customer.name") == 0
        for field in ("name", "email", "phone", "iban", "notes"):
            page.locator(f".field-{field}").scroll_into_view_if_needed()
            details_have_arrived(page, field)
    assert "shop.Customer.name" in page.locator(".field-name .altr-facts").inner_text()
    assert "active, protected, available" in page.locator(".field-name .altr-facts").inner_text()
    assert "none" in page.locator(".field-notes .altr-facts").inner_text()
    assert vault.count("PUT") == 0
    assert vault.count() - before <= 2 * 9
    assert agent.problems == []


def test_reveal_with_a_reason_hides_by_itself_and_is_logged(
    visit: Any, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CustomerAdmin, "reveal_seconds", 2)
    agent = visit(*REVEAL)
    page = open_customer(agent, customer)
    reveal(page, "iban")
    value = page.locator(".field-iban .altr-value")
    assert value.inner_text() == IBAN
    assert "hides in" in page.locator(".field-iban .altr-line").inner_text()
    value.wait_for(state="hidden", timeout=5000)
    assert IBAN not in page.content()
    assert page.locator(".field-iban .altr-mask").inner_text() == "•••••••• 3000"
    assert page.locator(".field-iban [aria-live]").inner_text() == "Hidden again."
    entry = LogEntry.objects.get()
    assert entry.change_message == "Revealed: IBAN. Reason: The customer called"
    assert entry.user == agent.user
    assert agent.problems == []


def test_reveal_is_hidden_by_its_button_and_when_the_page_is_left(visit: Any, customer: Customer) -> None:
    agent = visit(*REVEAL)
    page = open_customer(agent, customer)
    reveal(page, "iban")
    page.click(".field-iban .altr-reveal")
    assert IBAN not in page.content()
    reveal(page, "iban")
    page.goto(LIST)
    page.go_back()
    page.wait_for_load_state()
    assert IBAN not in page.content()


def test_required_reason_is_insisted_on_and_remembered(visit: Any, customer: Customer, vault: Any) -> None:
    agent = visit(*REVEAL)
    page = open_customer(agent, customer)
    page.click(".field-iban .altr-reveal")
    reason = page.locator(".field-iban .altr-why input")
    page.click(".field-iban .altr-confirm")
    assert reason.is_visible()
    assert vault.count("PUT") == 0
    reason.press("Escape")
    assert page.locator(".altr-why").count() == 0
    reveal(page, "iban", "Complaint 4711")
    page.click(".field-name .altr-reveal")
    assert page.locator(".field-name .altr-why input").input_value() == "Complaint 4711"


def test_without_the_permission_nothing_is_offered(visit: Any, customer: Customer) -> None:
    agent = visit(*CHANGE)
    page = open_customer(agent, customer)
    details_have_arrived(page, "name")
    assert page.locator(".altr-reveal").count() == 0
    assert "reveal/" not in page.content()
    answer = page.evaluate(
        """async(url) => {
            const token = document.querySelector('[name=csrfmiddlewaretoken]').value;
            const headers = {'X-CSRFToken': token, Accept: 'application/json'};
            const response = await fetch(url, {method: 'POST', headers, body: new URLSearchParams({reason: 'x'})});
            return [response.status, await response.text()];
        }""",
        f"{LIST}tokenized/shop.customer/{customer.pk}/iban/reveal/",
    )
    assert answer[0] == 403
    assert IBAN not in answer[1]


def test_new_value_is_entered_blind_and_saved(visit: Any, customer: Customer, vault: Any) -> None:
    agent = visit(*CHANGE)
    page = open_customer(agent, customer)
    page.click(".field-email summary")
    page.fill("#id_email", "countess@example.com")
    page.click("input[name=_save]")
    page.locator(".messagelist .success").wait_for()
    assert vault.count("PUT") == 0
    stored = Customer.objects.get()
    assert (stored.email, stored.name) == ("countess@example.com", "Ada Lovelace")
    assert agent.problems == []


def test_revealed_value_is_edited(visit: Any, customer: Customer) -> None:
    agent = visit(*REVEAL)
    page = open_customer(agent, customer)
    reveal(page, "notes")
    page.click(".field-notes .altr-edit")
    assert page.locator("#id_notes").input_value() == "Prefers letters.\nWrites programs."
    page.fill("#id_notes", "Prefers letters.\nWrites many programs.")
    page.click("input[name=_save]")
    page.locator(".messagelist .success").wait_for()
    assert Customer.objects.get().notes.splitlines() == ["Prefers letters.", "Writes many programs."]


def test_value_that_was_put_into_the_input_goes_when_it_is_hidden(visit: Any, customer: Customer) -> None:
    page = open_customer(visit(*REVEAL), customer)
    reveal(page, "iban")
    page.click(".field-iban .altr-edit")
    page.click(".field-iban .altr-reveal")
    assert page.locator("#id_iban").input_value() == ""


def test_save_without_changes_touches_no_value(visit: Any, customer: Customer, vault: Any) -> None:
    page = open_customer(visit(*CHANGE), customer)
    details_have_arrived(page, "name")
    page.select_option("#id_segment", "vip")
    page.click("input[name=_save]")
    page.locator(".messagelist .success").wait_for()
    stored = Customer.objects.get()
    assert stored.segment == "vip"
    assert stored.iban_token == customer.iban_token
    assert vault.count("PUT") == 0


def test_token_is_copied(visit: Any, customer: Customer) -> None:
    agent = visit(*VIEW)
    agent.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = open_customer(agent, customer)
    page.click(".field-iban .altr-copy")
    page.locator(".field-iban [aria-live]", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == customer.iban_token


def test_vault_down_leaves_a_working_page(visit: Any, customer: Customer, vault: Any) -> None:
    agent = visit(*REVEAL)
    page = agent.log_in()
    with vault.misbehave(drop="before"):
        page.goto(f"{LIST}{customer.pk}/change/")
        page.locator(".field-name .altr-facts", has_text="The vault cannot be reached").wait_for()
        page.click(".field-iban .altr-reveal")
        page.fill(".altr-why input", "The customer called")
        page.keyboard.press("Enter")
        page.locator(".field-iban [aria-live]", has_text="The vault cannot be reached").wait_for()
        agent.problems.clear()  # the 503 of the reveal
        agent.screenshot("vault-down")
        page.select_option("#id_segment", "vip")
        page.click("input[name=_save]")
        page.locator(".messagelist .success").wait_for()
    stored = Customer.objects.get()
    assert (stored.segment, stored.name_token) == ("vip", customer.name_token)


def test_hostile_values_stay_text(visit: Any, vault: Any, transactional_db: None) -> None:
    hostile = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>\"'\u202etxt.exe"
    customer = Customer.objects.create(name=hostile, email="a@example.com")
    agent = visit(*REVEAL)
    page = open_customer(agent, customer)
    reveal(page, "name")
    value = page.locator(".field-name .altr-value")
    assert value.text_content() == hostile
    assert value.locator("*").count() == 0
    assert page.title() != "owned"
    assert value.evaluate("(node) => getComputedStyle(node).unicodeBidi") in ("isolate", "isolate-override")
    assert agent.problems == []


def test_keyboard_alone_reveals(visit: Any, customer: Customer) -> None:
    page = open_customer(visit(*REVEAL), customer)
    button = page.get_by_role("button", name="Reveal IBAN")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("The customer called")
    page.keyboard.press("Enter")
    page.locator(".field-iban .altr-value:visible").wait_for()
    assert page.evaluate("document.activeElement.textContent").startswith("Hide")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_change_form_is_accessible(visit: Any, customer: Customer, scheme: str, width: int) -> None:
    agent = visit("superuser", color_scheme=scheme, viewport={"width": width, "height": 850})
    page = open_customer(agent, customer)
    details_have_arrived(page, "name")
    page.click(".field-phone summary")
    page.click(".field-email .altr-reveal")
    reveal(page, "name")
    assert agent.axe_findings() == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    page.evaluate("scrollTo(0, 0)")
    agent.screenshot(f"change-form-{scheme}" if width == 1280 else f"change-form-narrow-{scheme}")


def test_reveal_selected(visit: Any, customer: Customer, vault: Any) -> None:
    for number in range(4):
        Customer.objects.create(name=f"Customer {number}", email=f"c{number}@example.com", iban=IBAN)
    agent = visit("superuser", viewport={"width": 1280, "height": 620})
    page = agent.log_in()
    page.goto(LIST)
    page.check("#action-toggle")
    page.select_option("select[name=action]", "reveal_selected")
    agent.screenshot("change-list")
    page.click("button[name=index]")
    page.check("input[value=name]")
    page.check("input[value=iban]")
    page.fill("input[name=reason]", "Quarterly audit")
    assert agent.axe_findings() == []
    agent.screenshot("reveal-selected")
    before = vault.count("PUT")
    page.click("button[value=page]")
    page.locator(".altr-results").wait_for()
    assert vault.count("PUT") == before + 1
    assert page.locator(".altr-results tbody tr").count() == 5
    assert "Customer 3" in page.locator(".altr-results").inner_text()
    assert agent.axe_findings() == []
    agent.screenshot("revealed-values")
    assert agent.problems == []


def test_values_are_downloaded(visit: Any, customer: Customer) -> None:
    page = visit(*REVEAL).log_in()
    page.goto(LIST)
    page.check("#action-toggle")
    page.select_option("select[name=action]", "reveal_selected")
    page.click("button[name=index]")
    page.check("input[value=iban]")
    page.fill("input[name=reason]", "Quarterly audit")
    with page.expect_download() as download:
        page.click("button[value=csv]")
    assert IBAN in download.value.path().read_text()
    assert "Exported" in LogEntry.objects.get().change_message


def test_history_tells_who_saw_what_and_why(visit: Any, customer: Customer) -> None:
    agent = visit(*REVEAL, viewport={"width": 1280, "height": 420})
    page = open_customer(agent, customer)
    reveal(page, "iban")
    page.goto(f"{LIST}{customer.pk}/history/")
    assert re.search(
        r"agent0\s+Revealed: IBAN. Reason: The customer called", page.locator("#change-history").inner_text()
    )
    agent.screenshot("history")


class TestWithoutJavaScript:
    def test_metadata_is_a_link_away(self, visit: Any, customer: Customer) -> None:
        agent = visit(*VIEW, java_script_enabled=False)
        page = open_customer(agent, customer)
        page.click(".field-name .altr-ask a")
        text = page.locator("#content").inner_text()
        assert "shop.Customer.name" in text
        assert "active, protected, available" in text

    def test_reveal_is_a_page(self, visit: Any, customer: Customer) -> None:
        agent = visit(*REVEAL, java_script_enabled=False)
        page = open_customer(agent, customer)
        page.click(".field-iban .altr-reveal")
        page.fill("[name=reason]", "The customer called")
        page.click("#content input[type=submit]")
        assert page.locator(".altr-value").inner_text() == IBAN
        assert LogEntry.objects.count() == 1

    def test_new_value_is_saved(self, visit: Any, customer: Customer) -> None:
        page = open_customer(visit(*CHANGE, java_script_enabled=False), customer)
        page.click(".field-email summary")
        page.fill("#id_email", "countess@example.com")
        page.click("input[name=_save]")
        assert Customer.objects.get().email == "countess@example.com"
