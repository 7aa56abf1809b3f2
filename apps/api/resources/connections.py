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

    @extend_schema(responses=ConnectionSerializer)
    def get(self, request: Request, code: str) -> Response:
        return Response(ConnectionSerializer(get_connection(self.principal, code)).data)
