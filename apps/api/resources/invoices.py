"""Invoices, read only: billing owns them."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField, RateField
from apps.api.views import HubListView, HubView
from apps.canonical.models import Invoice


class InvoiceSerializer(serializers.Serializer[Invoice]):
    number = serializers.CharField()
    entity = serializers.CharField(source="legal_entity.code")
    contract = serializers.CharField(source="contract.number", allow_null=True, default=None)
    customer = serializers.CharField(source="customer.number")
    customer_name = serializers.CharField(source="customer.name")
    currency = serializers.CharField()
    invoice_date = serializers.DateField()
    due_date = serializers.DateField(allow_null=True)
    posting_date = serializers.DateField(allow_null=True)
    net = MoneyField("net")
    tax = MoneyField("tax")
    gross = MoneyField("gross")
    status = serializers.CharField(help_text="As billing states it.")
    journey = serializers.UUIDField(source="journey_id", allow_null=True)


class InvoiceLineSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    product = serializers.CharField(source="product.sku", allow_null=True, default=None)
    description = serializers.CharField()
    quantity = RateField()
    unit_price = RateField()
    net = MoneyField("net", "invoice.currency")
    tax = MoneyField("tax", "invoice.currency")
    tax_code = serializers.CharField()
    service_start = serializers.DateField(allow_null=True)
    service_end = serializers.DateField(allow_null=True)


class InvoiceDetailSerializer(InvoiceSerializer):
    lines = InvoiceLineSerializer(many=True)


def _invoices(view: HubView) -> QuerySet[Invoice]:
    invoices: QuerySet[Invoice] = Invoice.objects.visible_to(view.principal)
    return invoices.select_related("legal_entity", "contract", "customer")


class InvoiceList(HubListView):
    """Invoices of your legal entities, newest first."""

    actions: ClassVar = {"GET": "record.read"}
    serializer_class: ClassVar = InvoiceSerializer

    def rows(self) -> QuerySet[Invoice]:
        invoices = _invoices(self)
        contracts = self.asked("contract")
        return invoices.filter(contract__number__in=contracts) if contracts else invoices


class InvoiceDetail(HubView):
    """One invoice with its lines, by number."""

    actions: ClassVar = {"GET": "record.read"}

    @extend_schema(responses=InvoiceDetailSerializer)
    def get(self, request: Request, number: str) -> Response:
        invoice = _invoices(self).prefetch_related("lines__product").get(number=number)
        return Response(InvoiceDetailSerializer(invoice).data)
