"""Journeys: the way of a contract from quote to ledger, found by any id of any system."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField
from apps.api.problems import Problem
from apps.api.views import HubView
from apps.monitoring.models import Journey
from apps.monitoring.selectors import find_journey


class JourneyItemSerializer(serializers.Serializer[Any]):
    lane = serializers.CharField()
    generation = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField(help_text="done, running, failed or expected")
    amount = MoneyField("amount")
    currency = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)


class JourneySerializer(serializers.Serializer[Journey]):
    id = serializers.UUIDField()
    key = serializers.CharField()
    customer = serializers.CharField()
    amount = MoneyField("amount")
    currency = serializers.CharField()
    is_done = serializers.BooleanField()
    is_stuck = serializers.BooleanField()
    stuck_lane = serializers.CharField()
    next_step = serializers.CharField()
    next_due_at = serializers.DateTimeField(allow_null=True)
    items = serializers.SerializerMethodField()

    @extend_schema_field(JourneyItemSerializer(many=True))
    def get_items(self, journey: Journey) -> list[dict[str, Any]]:
        rows = journey.items.order_by("generation", "at", "due_at", "id")
        return list(JourneyItemSerializer(rows, many=True).data)


class JourneyDetail(HubView):
    """The journey that a reference leads to: a quote, contract, invoice, or vendor's id."""

    actions: ClassVar = {"GET": "record.read"}

    @extend_schema(responses=JourneySerializer)
    def get(self, request: Request, reference: str) -> Response:
        journey = find_journey(reference, self.principal)
        if journey is None:
            raise Problem(404, "not_found", "No single journey of yours has this reference.")
        return Response(JourneySerializer(journey).data)
