"""Quote submission: the canonical form of a quote, checked field by field before it is kept."""

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.idempotency import idempotent
from apps.api.intake import submit_quote
from apps.api.problems import Problem
from apps.api.views import HubView
from apps.core.clock import utc_now
from apps.core.money import exponent_of
from apps.organisation.models import Currency
from apps.organisation.selectors import list_entities


def _amount(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=20, decimal_places=4, **options)


def _rate(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=30, decimal_places=14, **options)


class CustomerForm(serializers.Serializer[Any]):
    number = serializers.CharField(max_length=40)
    external_id = serializers.CharField(max_length=120, required=False)
    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(required=False)
    vat_id = serializers.CharField(max_length=40, required=False)
    street = serializers.CharField(max_length=200, required=False)
    city = serializers.CharField(max_length=80, required=False)
    state_code = serializers.CharField(max_length=10, required=False)
    postal_code = serializers.CharField(max_length=20, required=False)
    country = serializers.RegexField(r"^[A-Z]{2}$", help_text="ISO 3166-1 alpha-2")


class ProductForm(serializers.Serializer[Any]):
    sku = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=200, required=False)
    revenue_class = serializers.CharField(max_length=40, required=False)
    tax_category = serializers.CharField(max_length=40, required=False)


class LineForm(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=60, help_text="Your id of the line.")
    position = serializers.IntegerField(min_value=0)
    product = ProductForm()
    description = serializers.CharField(max_length=250, required=False)
    charge_type = serializers.ChoiceField(["recurring", "one_time", "usage"])
    frequency = serializers.ChoiceField(["monthly", "annual"], required=False)
    quantity = _rate(min_value=Decimal(0))
    list_price = _rate(required=False)
    unit_price = _rate()
    net = _amount()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["charge_type"] == "recurring" and "frequency" not in attrs:
            raise serializers.ValidationError({"frequency": "Name how often it recurs."})
        return attrs


class QuoteForm(serializers.Serializer[Any]):
    """A quote in canonical terms. Amounts are strings in major units of ``currency``."""

    number = serializers.CharField(max_length=40)
    entity = serializers.CharField(help_text="Code of the selling legal entity.")
    type = serializers.ChoiceField(["new", "renewal", "amendment"], default="new")
    status = serializers.ChoiceField(["draft", "presented", "approved", "accepted", "rejected"])
    ordered = serializers.BooleanField(default=False)
    changed_at = serializers.DateTimeField(help_text="When it last changed; orders versions.")
    currency = serializers.CharField(max_length=3)
    net = _amount()
    start_date = serializers.DateField()
    end_date = serializers.DateField(help_text="The day after the last day of the term.")
    term_months = serializers.IntegerField(min_value=1, max_value=240)
    approval_outcome = serializers.ChoiceField(
        ["", "pending", "approved", "rejected", "recalled"], default="", allow_blank=True
    )
    approved_by = serializers.CharField(max_length=120, required=False)
    approved_at = serializers.DateTimeField(required=False)
    approval_reason = serializers.CharField(max_length=2000, required=False)
    department = serializers.CharField(max_length=40, required=False)
    contract_reference = serializers.CharField(max_length=60, required=False)
    contract_number = serializers.CharField(max_length=40, required=False)
    customer = CustomerForm()
    lines = LineForm(many=True, allow_empty=False)

    def validate_changed_at(self, value: dt.datetime) -> dt.datetime:
        if value > utc_now() + dt.timedelta(minutes=5):
            raise serializers.ValidationError("This is in the future. Send when it changed.")
        return value

    def validate_currency(self, value: str) -> str:
        if not Currency.objects.filter(code=value).exists():
            raise serializers.ValidationError(f"{value} is no currency of the hub.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        faults = {}
        if attrs["end_date"] <= attrs["start_date"]:
            faults["end_date"] = "The term ends before it starts. The end is exclusive."
        total = sum((line["net"] for line in attrs["lines"]), Decimal(0))
        if total != attrs["net"]:
            faults["net"] = f"The lines add up to {total.normalize():f}. Send that, or mend them."
        digits = exponent_of(attrs["currency"])
        if any(_too_fine(line["net"], digits) for line in attrs["lines"]):
            faults["lines"] = f"Net amounts in {attrs['currency']} have {digits} decimals."
        if attrs["type"] == "amendment" and not attrs.get("contract_reference"):
            faults["contract_reference"] = "Name the contract that the amendment changes."
        if faults:
            raise serializers.ValidationError(faults)
        return attrs


def _too_fine(amount: Decimal, digits: int) -> bool:
    return amount != round(amount, digits)


class ReceiptSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    status = serializers.CharField(help_text="received: stored, and processed next")
    delivery = serializers.UUIDField()


class QuoteSubmission(HubView):
    """Submit a quote. 202 says that it is stored; its journey tells what became of it."""

    actions: ClassVar = {"POST": "quote.submit"}

    @extend_schema(request=QuoteForm, responses={202: ReceiptSerializer})
    @idempotent
    def post(self, request: Request) -> Response:
        form = QuoteForm(data=request.data)
        form.is_valid(raise_exception=True)
        entity = form.validated_data["entity"]
        if entity not in {e.code for e in list_entities(self.principal)}:
            raise Problem(
                422, "invalid", "Correct the named fields.",
                {"entity": f"{entity} is no legal entity that this key may sell for."},
            )  # fmt: skip
        receipt = submit_quote(
            request._request.body,
            key=request.headers["Idempotency-Key"],
            principal=self.principal,
            now=utc_now(),
        )
        answer = {
            "number": form.validated_data["number"],
            "status": "received",
            "delivery": str(receipt.delivery_id),
        }
        return Response(answer, status=202)
