"""Reconciliation runs and their breaks, read only."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField
from apps.api.views import HubListView, HubView
from apps.reconciliation.models import Break, ReconciliationRun


class RunSerializer(serializers.Serializer[ReconciliationRun]):
    number = serializers.IntegerField()
    subject = serializers.CharField(help_text="contract or invoice")
    state = serializers.CharField()
    read_at = serializers.DateTimeField(allow_null=True, help_text="The oldest snapshot used.")
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    requested_by = serializers.CharField(source="requested_by_label")


class BreakSerializer(serializers.Serializer[Break]):
    number = serializers.IntegerField()
    entity = serializers.CharField(source="legal_entity.code", allow_null=True, default=None)
    match_key = serializers.CharField()
    type = serializers.CharField()
    state = serializers.CharField()
    currency = serializers.CharField()
    cpq = MoneyField("cpq_amount")
    billing = MoneyField("billing_amount")
    erp = MoneyField("erp_amount")
    variance = MoneyField("variance")
    explanation = serializers.CharField()


class RunList(HubListView):
    """Reconciliation runs, newest first."""

    actions: ClassVar = {"GET": "reconciliation.read"}
    serializer_class: ClassVar = RunSerializer
    ordering: ClassVar = ("-number",)

    def rows(self) -> QuerySet[ReconciliationRun]:
        runs: QuerySet[ReconciliationRun] = ReconciliationRun.objects.visible_to(self.principal)
        subjects = self.asked("subject")
        return runs.filter(subject__in=subjects) if subjects else runs


class RunDetail(HubView):
    """One run by its number."""

    actions: ClassVar = {"GET": "reconciliation.read"}

    @extend_schema(responses=RunSerializer)
    def get(self, request: Request, number: int) -> Response:
        run = ReconciliationRun.objects.visible_to(self.principal).get(number=number)
        return Response(RunSerializer(run).data)


class BreakList(HubListView):
    """Breaks of your legal entities, newest first."""

    actions: ClassVar = {"GET": "reconciliation.read"}
    serializer_class: ClassVar = BreakSerializer
    ordering: ClassVar = ("-number",)

    def rows(self) -> QuerySet[Break]:
        breaks: QuerySet[Break] = Break.objects.visible_to(self.principal)
        states = self.asked("state")
        breaks = breaks.select_related("legal_entity")
        return breaks.filter(state__in=states) if states else breaks
