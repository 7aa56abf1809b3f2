"""Account, Opportunity and Product2 of the simulated org."""

from __future__ import annotations

from apps.simulators.salesforce.fields import (
    SObject,
    boolean,
    date,
    external_id,
    number,
    picklist,
    reference,
    required,
    text,
)

# Members of the package's restricted global value sets, as this org has them.
BILLING_FREQUENCY = ("Monthly", "Quarterly", "Semiannual", "Annual", "Invoice Plan")
BILLING_TYPE = ("Advance", "Arrears")
CHARGE_TYPE = ("One-Time", "Recurring", "Usage")
SUBSCRIPTION_PRICING = ("Fixed Price", "Percent Of Total")
SUBSCRIPTION_TYPE = ("Renewable", "One-time", "Renewable/Evergreen", "Evergreen")

HUB_ID = external_id("Hub_Id__c", 36, unique=True)

ACCOUNT = SObject(
    "Account",
    "001",
    (
        required(text("Name")),
        text("AccountNumber", 40),
        text("Type", 40),
        text("Industry", 40),
        text("Phone", 40),
        text("Website"),
        text("Description", 32000),
        reference("ParentId", "Account", "ChildAccounts"),
        *(
            text(f"{kind}{part}", length)
            for kind in ("Billing", "Shipping")
            for part, length in (
                ("Street", 255),
                ("City", 40),
                ("State", 80),
                ("StateCode", 10),
                ("PostalCode", 20),
                ("Country", 80),
                ("CountryCode", 10),
            )
        ),
        text("Legal_Entity__c", 10),
        text("VAT_ID__c", 20),
        text("Billing_Email__c", 80),
        picklist("SBQQ__ContractCoTermination__c", "Never", "Always", "Prompt"),
        picklist("SBQQ__RenewalModel__c", "Asset Based", "Contract Based"),
        picklist("SBQQ__TaxExempt__c", "No", "Yes"),
        HUB_ID,
    ),
)

OPPORTUNITY = SObject(
    "Opportunity",
    "006",
    (
        required(text("Name", 120)),
        required(text("StageName", 40)),
        required(date("CloseDate")),
        reference("AccountId", "Account", "Opportunities"),
        number("Amount"),
        text("Type", 40),
        reference("SBQQ__AmendedContract__c", "Contract"),
        reference("SBQQ__RenewedContract__c", "Contract"),
        reference("SBQQ__PrimaryQuote__c", "SBQQ__Quote__c"),
        boolean("SBQQ__Ordered__c"),
        boolean("SBQQ__Contracted__c"),
        boolean("SBQQ__Renewal__c"),
    ),
)

PRODUCT = SObject(
    "Product2",
    "01t",
    (
        required(text("Name")),
        text("ProductCode"),
        text("Description", 4000),
        text("Family", 40),
        boolean("IsActive"),
        text("StockKeepingUnit", 180),
        picklist("SBQQ__BillingFrequency__c", *BILLING_FREQUENCY),
        picklist("SBQQ__BillingType__c", *BILLING_TYPE),
        picklist("SBQQ__ChargeType__c", *CHARGE_TYPE),
        picklist("SBQQ__SubscriptionPricing__c", *SUBSCRIPTION_PRICING),
        number("SBQQ__SubscriptionTerm__c", 0),
        picklist("SBQQ__SubscriptionType__c", *SUBSCRIPTION_TYPE),
        text("SBQQ__TaxCode__c"),
        boolean("SBQQ__Taxable__c"),
        boolean("SBQQ__Component__c"),
        boolean("SBQQ__Optional__c"),
        boolean("SBQQ__Hidden__c"),
        picklist("SBQQ__ConfigurationType__c", "Required", "Allowed", "Disabled"),
        HUB_ID,
    ),
    defaults={"IsActive": True},
)
