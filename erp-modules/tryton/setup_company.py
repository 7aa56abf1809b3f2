# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill a fresh Tryton database with a company that the hub's tests can post to.

usage: setup_company.py DATABASE PASSWORD, with trytond's configuration in the environment. Works in
the server's own process, so no server has to run.
"""

import datetime as dt
import sys
from decimal import Decimal

from proteus import Model, Wizard
from proteus import config as proteus_config


def create_currency(code, symbol, numeric_code, rate):
    currency = Model.get("currency.currency")(
        name=code, symbol=symbol, code=code, numeric_code=numeric_code,
        rounding=Decimal("0.01"), digits=2,
    )
    currency_rate = currency.rates.new()
    currency_rate.date = dt.date(2020, 1, 1)
    currency_rate.rate = Decimal(rate)
    currency.save()
    return currency


def create_company(config, currency):
    party = Model.get("party.party")(name="Hub Test GmbH")
    party.save()
    wizard = Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party = party
    wizard.form.currency = currency
    wizard.execute("add")
    config._context = Model.get("res.user").get_preferences(True, {})
    (company,) = Model.get("company.company").find()
    return company


def find_account(company, clause):
    """The first open account of the company that the clause selects."""
    clauses = [("company", "=", company.id), ("closed", "!=", True), clause]
    return Model.get("account.account").find(clauses, limit=1)[0]


def find_account_of_type(company, kind):
    return find_account(company, (f"type.{kind}", "=", True))


def find_account_by_code(company, code):
    return find_account(company, ("code", "=", code))


def create_chart(config, company):
    data = Model.get("ir.model.data")
    root = data.get_id("account.account_template_root_en", config.context)
    wizard = Wizard("account.create_chart")
    wizard.execute("account")
    wizard.form.account_template = Model.get("account.account.template")(root)
    wizard.form.company = company
    wizard.execute("create_account")
    wizard.form.account_receivable = find_account_of_type(company, "receivable")
    wizard.form.account_payable = find_account_of_type(company, "payable")
    wizard.form.category_account_expense = find_account_of_type(company, "expense")
    wizard.form.category_account_revenue = find_account_of_type(company, "revenue")
    wizard.execute("create_properties")


def create_sequence(name, type_name, company):
    (sequence_type,) = Model.get("ir.sequence.type").find([("name", "=", type_name)], limit=1)
    sequence = Model.get("ir.sequence.strict")(
        name=name, sequence_type=sequence_type, company=company
    )
    sequence.save()
    return sequence


def create_fiscal_year(company, year):
    fiscal_year = Model.get("account.fiscalyear")(
        name=str(year), company=company,
        start_date=dt.date(year, 1, 1), end_date=dt.date(year, 12, 31),
    )
    fiscal_year.move_sequence = create_sequence(str(year), "Account Move", company)
    invoices = create_sequence(f"{year} invoices", "Invoice", company)
    credit_notes = create_sequence(f"{year} credit notes", "Invoice", company)
    (sequences,) = fiscal_year.invoice_sequences
    sequences.out_invoice_sequence = sequences.in_invoice_sequence = invoices
    sequences.out_credit_note_sequence = sequences.in_credit_note_sequence = credit_notes
    fiscal_year.save()
    fiscal_year.click("create_period")
    return fiscal_year


def create_tax(company, name, rate):
    account = find_account_by_code(company, "6.3.6")
    tax = Model.get("account.tax")(
        name=name, description=name, type="percentage", rate=Decimal(rate),
        invoice_account=account, credit_note_account=account,
    )
    tax.save()
    return tax


def create_payment_terms(company):
    term = Model.get("account.invoice.payment_term")(name="Net 30")
    line = term.lines.new(type="remainder")
    line.relativedeltas[0].days = 30
    term.save()
    cash = find_account_by_code(company, "1.1.1")
    (journal,) = Model.get("account.journal").find([("type", "=", "cash")], limit=1)
    Model.get("account.invoice.payment.method")(
        name="Wire", journal=journal, credit_account=cash, debit_account=cash
    ).save()


def create_services(company, tax):
    category = Model.get("product.category")(name="Subscriptions", accounting=True)
    category.account_expense = find_account_of_type(company, "expense")
    category.account_revenue = find_account_of_type(company, "revenue")
    category.customer_taxes.append(tax)
    category.save()
    (unit,) = Model.get("product.uom").find([("name", "=", "Unit")])
    for code, name in (("SAAS-PLAT", "SaaS Platform"), ("ONBOARDING", "Onboarding")):
        template = Model.get("product.template")(
            name=name, default_uom=unit, type="service",
            list_price=Decimal("100"), account_category=category,
        )
        template.save()
        (product,) = template.products
        product.suffix_code = code
        product.save()


def create_dimensions():
    analytic_account = Model.get("analytic_account.account")
    root = analytic_account(name="Department", code="DEPT", type="root")
    root.save()
    for code in ("SALES", "ENG"):
        analytic_account(name=code, code=code, type="normal", root=root, parent=root).save()


def create_users(company, password):
    """Give the administrator every group, and create the hub's own user with the same rights."""
    group_model, user_model = Model.get("res.group"), Model.get("res.user")
    (admin,) = user_model.find([("login", "=", "admin")])
    granted = {group.id for group in admin.groups}
    admin.groups.extend(group_model.find([("id", "not in", list(granted))]))
    admin.save()
    hub = user_model(name="Integration hub", login="hub", password=password)
    hub.companies.append(Model.get("company.company")(company.id))
    hub.company = company
    hub.groups.extend(group_model.find([]))
    hub.save()


def main(database, password):
    config = proteus_config.set_trytond(database)
    euro = create_currency("EUR", "€", "978", "1.0")
    create_currency("USD", "$", "840", "1.1")
    company = create_company(config, euro)
    create_chart(config, company)
    this_year = dt.date.today().year
    fiscal_years = [create_fiscal_year(company, this_year + n) for n in (-1, 0, 1)]
    standard = create_tax(company, "VAT 19 %", "0.19")
    create_tax(company, "VAT 0 %", "0.00")
    create_payment_terms(company)
    create_services(company, standard)
    create_dimensions()
    create_users(company, password)
    fiscal_years[0].periods[0].click("close")


if __name__ == "__main__":
    main(*sys.argv[1:])
