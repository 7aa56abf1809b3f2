"""Orders, read only: they are made by accepted quotes."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField, RateField
from apps.api.views import HubListView, HubView
from apps.canonical.models import Order


class OrderSerializer(serializers.Serializer[Order]):
    number = serializers.CharField()
    entity = serializers.CharField(source="legal_entity.code")
    quote = serializers.CharField(source="quote.number")
    contract = serializers.CharField(source="contract.number")
    customer = serializers.CharField(source="customer.number")
    customer_name = serializers.CharField(source="customer.name")
    currency = serializers.CharField()
    net = MoneyField("net")
    start_date = serializers.DateField()
    end_date = serializers.DateField(help_text="The day after the last day of the term.")
    booked_at = serializers.DateTimeField(allow_null=True)
    journey = serializers.UUIDField(source="journey_id")


class OrderLineSerializer(serializers.Serializer[Any]):
    position = serializers.IntegerField()
    product = serializers.CharField(source="product.sku")
    description = serializers.CharField()
    frequency = serializers.CharField()
    quantity = RateField()
    unit_price = RateField()
    net = MoneyField("net", "order.currency")


class OrderDetailSerializer(OrderSerializer):
    lines = OrderLineSerializer(many=True)


def _orders(view: HubView) -> QuerySet[Order]:
    orders: QuerySet[Order] = Order.objects.visible_to(view.principal)
    return orders.select_related("legal_entity", "quote", "contract", "customer")


class OrderList(HubListView):
    """Orders of your legal entities, newest first."""

    actions: ClassVar = {"GET": "record.read"}
    serializer_class: ClassVar = OrderSerializer

    def rows(self) -> QuerySet[Order]:
        orders = _orders(self)
        customers = self.asked("customer")
        return orders.filter(customer__number__in=customers) if customers else orders


class OrderDetail(HubView):
    """One order with its lines, by number."""

    actions: ClassVar = {"GET": "record.read"}

    @extend_schema(responses=OrderDetailSerializer)
    def get(self, request: Request, number: str) -> Response:
        order = _orders(self).prefetch_related("lines__product").get(number=number)
        return Response(OrderDetailSerializer(order).data)
