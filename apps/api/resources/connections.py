"""Connections, read only, without their credentials."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.views import HubListView, HubView
from apps.connectors.models import Connection
from apps.connectors.selectors import get_connection
from apps.core.clock import utc_now
from apps.postings.selectors import lane_budgets
from apps.postings.types import LaneBudget


class ConnectionSerializer(serializers.Serializer[Connection]):
    code = serializers.CharField()
    name = serializers.CharField()
    vendor = serializers.CharField()
    role = serializers.CharField()
    state = serializers.CharField()
    state_reason = serializers.CharField()
    circuit = serializers.CharField(help_text="closed, open or half_open")
    last_success_at = serializers.DateTimeField(allow_null=True)
    last_failure_at = serializers.DateTimeField(allow_null=True)
    held_until = serializers.DateTimeField(
        allow_null=True, help_text="no call before: Retry-After or a maintenance window"
    )
    held_reason = serializers.CharField()


class BudgetSerializer(serializers.Serializer[LaneBudget]):
    pace = serializers.FloatField(allow_null=True, help_text="calls per second at most")
    at_once = serializers.IntegerField(help_text="calls at once now")
    ceiling = serializers.IntegerField(help_text="calls at once at most")
    calls_last_minute = serializers.IntegerField()
    refused_last_minute = serializers.IntegerField(help_text="for a limit of the platform")
    first_tries_last_minute = serializers.IntegerField()
    retries_last_minute = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="writes that can go")
    blocked = serializers.IntegerField(help_text="writes behind one that needs a person")
    unknown = serializers.IntegerField()
    held_seconds = serializers.FloatField(allow_null=True)
    clears_in = serializers.FloatField(allow_null=True, help_text="seconds; null: nobody can say")
    refused_writes = serializers.IntegerField(help_text="results that came too late, in all")


class ConnectionWithBudgetSerializer(ConnectionSerializer):
    budget = BudgetSerializer()


class ConnectionList(HubListView):
    """The platforms that the hub is connected to."""

    actions: ClassVar = {"GET": "connection.read"}
    serializer_class: ClassVar = ConnectionSerializer
    ordering: ClassVar = ("code",)

    def rows(self) -> QuerySet[Connection]:
        connections: QuerySet[Connection] = Connection.objects.visible_to(self.principal)
        return connections


class ConnectionDetail(HubView):
    """One connection by its code."""

    actions: ClassVar = {"GET": "connection.read"}

    @extend_schema(responses=ConnectionWithBudgetSerializer)
    def get(self, request: Request, code: str) -> Response:
        connection = get_connection(self.principal, code)
        budget = lane_budgets([connection], utc_now())[connection.id]
        shown = ConnectionSerializer(connection).data
        return Response({**shown, "budget": BudgetSerializer(budget).data})
