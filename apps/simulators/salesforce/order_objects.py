"""Order, contract and subscription records that CPQ makes of an accepted quote."""

from __future__ import annotations

from functools import cache

from apps.simulators.salesforce.fields import (
    SObject,
    boolean,
    build,
    date,
    external_id,
    number,
    picklist,
    read_only,
    reference,
    required,
    text,
)
from apps.simulators.salesforce.party_objects import (
    ACCOUNT,
    BILLING_FREQUENCY,
    BILLING_TYPE,
    CHARGE_TYPE,
    HUB_ID,
    OPPORTUNITY,
    PRODUCT,
    SUBSCRIPTION_PRICING,
    SUBSCRIPTION_TYPE,
)
from apps.simulators.salesforce.quote_objects import PAYMENT_TERMS, QUOTE, QUOTE_LINE

_BILLING = (
    picklist("SBQQ__BillingFrequency__c", *BILLING_FREQUENCY),
    picklist("SBQQ__BillingType__c", *BILLING_TYPE),
    picklist("SBQQ__ChargeType__c", *CHARGE_TYPE),
    picklist("SBQQ__SubscriptionPricing__c", *SUBSCRIPTION_PRICING),
    picklist("SBQQ__SubscriptionType__c", *SUBSCRIPTION_TYPE),
    picklist("SBQQ__ProductSubscriptionType__c", *SUBSCRIPTION_TYPE),
    number("SBQQ__ProrateMultiplier__c", 4),
    date("SBQQ__TerminatedDate__c"),
    text("Region__c", 40),
)

ORDER = SObject(
    "Order",
    "801",
    (
        *read_only(text("OrderNumber", 30), number("TotalAmount")),
        required(reference("AccountId", "Account", "Orders")),
        reference("ContractId", "Contract", "Orders"),
        reference("OpportunityId", "Opportunity", "Orders"),
        required(date("EffectiveDate")),
        date("EndDate"),
        picklist("Status", "Draft", "Activated"),
        text("StatusCode", 20),
        text("Type", 40),
        text("PoNumber", 80),
        text("Description", 32000),
        reference("SBQQ__Quote__c", "SBQQ__Quote__c", "SBQQ__Orders__r"),
        boolean("SBQQ__Contracted__c"),
        picklist("SBQQ__PaymentTerm__c", *PAYMENT_TERMS),
        number("SBQQ__RenewalTerm__c", 0),
        text("Legal_Entity__c", 10),
        HUB_ID,
    ),
    numbered=("OrderNumber", "{:08d}"),
    defaults={"Status": "Draft"},
)

ORDER_ITEM = SObject(
    "OrderItem",
    "802",
    (
        *read_only(text("OrderItemNumber", 30), number("TotalPrice"), text("ProductCode")),
        required(reference("OrderId", "Order", "OrderItems")),
        reference("Product2Id", "Product2", "OrderItems"),
        number("Quantity"),
        number("UnitPrice"),
        number("ListPrice"),
        date("ServiceDate"),
        date("EndDate"),
        text("Description"),
        reference("SBQQ__QuoteLine__c", "SBQQ__QuoteLine__c", "SBQQ__OrderProducts__r"),
        reference("SBQQ__Contract__c", "Contract", "SBQQ__OrderProducts__r"),
        reference("SBQQ__Subscription__c", "SBQQ__Subscription__c"),
        reference("SBQQ__RequiredBy__c", "OrderItem", "SBQQ__Components__r"),
        reference("SBQQ__RevisedOrderProduct__c", "OrderItem"),
        text("SBQQ__ContractAction__c", 40),
        text("SBQQ__Status__c", 40),
        number("SBQQ__OrderedQuantity__c"),
        number("SBQQ__QuotedQuantity__c"),
        number("SBQQ__SubscriptionTerm__c", 0),
        boolean("SBQQ__Activated__c"),
        boolean("SBQQ__Contracted__c"),
        text("SBQQ__TaxCode__c"),
        *_BILLING,
    ),
    numbered=("OrderItemNumber", "{:010d}"),
)

CONTRACT = SObject(
    "Contract",
    "800",
    (
        *read_only(text("ContractNumber", 30)),
        required(reference("AccountId", "Account", "Contracts")),
        date("StartDate"),
        date("EndDate"),
        number("ContractTerm", 0),
        picklist("Status", "Draft", "In Approval Process", "Activated", "Terminated", "Expired"),
        text("StatusCode", 20),
        text("Description", 32000),
        reference("SBQQ__Quote__c", "SBQQ__Quote__c", "SBQQ__Contracts__r"),
        reference("SBQQ__Order__c", "Order", "SBQQ__Contracts__r"),
        reference("SBQQ__Opportunity__c", "Opportunity", "SBQQ__Contracts__r"),
        number("SBQQ__RenewalTerm__c", 0),
        boolean("SBQQ__RenewalForecast__c"),
        boolean("SBQQ__RenewalQuoted__c"),
        boolean("SBQQ__Evergreen__c"),
        date("SBQQ__AmendmentStartDate__c"),
        picklist("SBQQ__AmendmentRenewalBehavior__c", "Latest End Date", "Earliest End Date"),
        text("Legal_Entity__c", 10),
        HUB_ID,
    ),
    numbered=("ContractNumber", "{:08d}"),
    defaults={"Status": "Draft"},
)

SUBSCRIPTION = SObject(
    "SBQQ__Subscription__c",
    "a0S",
    (
        *read_only(
            text("Name", 80),
            text("SBQQ__ProductName__c"),
            text("SBQQ__ContractNumber__c"),
            date("SBQQ__StartDate__c"),
            date("SBQQ__EndDate__c"),
        ),
        reference("SBQQ__Contract__c", "Contract", "SBQQ__Subscriptions__r"),
        reference("SBQQ__Account__c", "Account", "SBQQ__Subscriptions__r"),
        reference("SBQQ__Product__c", "Product2", "SBQQ__Subscriptions__r"),
        reference("SBQQ__QuoteLine__c", "SBQQ__QuoteLine__c", "SBQQ__Subscriptions__r"),
        reference("SBQQ__OriginalQuoteLine__c", "SBQQ__QuoteLine__c"),
        reference("SBQQ__OrderProduct__c", "OrderItem", "SBQQ__Subscriptions__r"),
        reference("SBQQ__RevisedSubscription__c", "SBQQ__Subscription__c", "SBQQ__Revisions__r"),
        external_id("SBQQ__RootId__c", 18),
        text("SBQQ__RequiredById__c", 18),
        number("SBQQ__Quantity__c"),
        number("SBQQ__RenewalQuantity__c"),
        number("SBQQ__ListPrice__c"),
        number("SBQQ__CustomerPrice__c"),
        number("SBQQ__NetPrice__c"),
        number("SBQQ__RenewalPrice__c"),
        number("SBQQ__Discount__c"),
        boolean("SBQQ__Bundle__c"),
        boolean("SBQQ__Bundled__c"),
        date("SBQQ__SubscriptionStartDate__c"),
        date("SBQQ__SubscriptionEndDate__c"),
        number("SBQQ__SegmentIndex__c", 0),
        text("SBQQ__SegmentKey__c", 30),
        *_BILLING,
    ),
    numbered=("Name", "SUB-{:07d}"),
)

USER = SObject("User", "005", (text("Name"), text("Username")))

OBJECTS = build(
    (
        ACCOUNT,
        OPPORTUNITY,
        PRODUCT,
        QUOTE,
        QUOTE_LINE,
        ORDER,
        ORDER_ITEM,
        CONTRACT,
        SUBSCRIPTION,
        USER,
    )
)


@cache
def child_relationships(parent: str) -> dict[str, tuple[SObject, str]]:
    """Children of an object by relationship name: (child object, its reference field)."""
    return {
        field.children: (child, field.name)
        for child in OBJECTS.values()
        for field in child.fields.values()
        if field.to == parent and field.children
    }
