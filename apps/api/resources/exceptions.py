"""Exceptions: read them, and try them again."""

import re
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField
from apps.api.idempotency import idempotent
from apps.api.problems import Problem
from apps.api.views import HubListView, HubView
from apps.core.clock import utc_now
from apps.exceptions.models import ExceptionCase
from apps.exceptions.selectors import get_case, list_cases
from apps.exceptions.types import VIEWS, CaseFilter
from apps.resolutions.selectors import remedies_for
from apps.resolutions.services import apply_remedy
from apps.resolutions.types import RETRY


class CaseSerializer(serializers.Serializer[ExceptionCase]):
    reference = serializers.CharField(help_text="EXC-10482")
    entity = serializers.CharField(source="legal_entity.code", allow_null=True, default=None)
    code = serializers.CharField(help_text="A code of the error taxonomy.")
    category = serializers.CharField()
    severity = serializers.CharField()
    state = serializers.CharField()
    title = serializers.CharField()
    explanation = serializers.CharField()
    flow = serializers.CharField()
    lane = serializers.CharField()
    amount_at_risk = MoneyField("amount_at_risk")
    currency = serializers.CharField()
    document = serializers.CharField()
    customer = serializers.CharField()
    owner = serializers.CharField(source="owner_label")
    seen = serializers.IntegerField()
    opened_at = serializers.DateTimeField()
    sla_due_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    resolution = serializers.CharField()
    journey = serializers.UUIDField(source="journey_id", allow_null=True)
    rev = serializers.IntegerField()


class RemedySerializer(serializers.Serializer[object]):
    code = serializers.CharField()
    title = serializers.CharField()
    note = serializers.CharField()
    held = serializers.IntegerField()
    tried = serializers.IntegerField()


class CaseDetailSerializer(CaseSerializer):
    remedies = RemedySerializer(many=True)


class RetrySerializer(serializers.Serializer[None]):
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)
    rev = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="The revision you saw."
    )


class CaseList(HubListView):
    """Exceptions of your legal entities: the open ones unless ``view`` says otherwise."""

    actions: ClassVar = {"GET": "case.read"}
    serializer_class: ClassVar = CaseSerializer
    ordering: ClassVar = ("sla_due_at", "id")

    def rows(self) -> QuerySet[ExceptionCase]:
        view = self.request.query_params.get("view", "open")
        if view not in (*VIEWS, "all"):
            named = ", ".join((*VIEWS, "all"))
            raise Problem(422, "invalid", "Correct the named fields.", {"view": f"Use {named}."})
        filters = CaseFilter(
            view=view,
            severities=tuple(self.asked("severity")),
            codes=tuple(self.asked("code")),
            lanes=tuple(self.asked("lane")),
        )
        return list_cases(self.principal, filters, now=utc_now())


class CaseDetail(HubView):
    """One exception with its remedies, by reference (EXC-10482)."""

    actions: ClassVar = {"GET": "case.read"}

    @extend_schema(responses=CaseDetailSerializer)
    def get(self, request: Request, reference: str) -> Response:
        case = _case(self, reference)
        remedies = remedies_for(case, self.principal)
        body = {
            **CaseSerializer(case).data,
            "remedies": RemedySerializer(remedies, many=True).data,
        }
        return Response(body)


class CaseRetry(HubView):
    """Try an exception again. It closes by itself once it went through."""

    actions: ClassVar = {"POST": "case.retry"}

    @extend_schema(request=RetrySerializer, responses={202: CaseSerializer})
    @idempotent
    def post(self, request: Request, reference: str) -> Response:
        form = RetrySerializer(data=request.data)
        form.is_valid(raise_exception=True)
        case = _case(self, reference)
        apply_remedy(
            case.id,
            RETRY,
            params={},
            reason=form.validated_data["reason"],
            rev=form.validated_data["rev"],
            principal=self.principal,
            now=utc_now(),
        )
        return Response(CaseSerializer(_case(self, reference)).data, status=202)


def _case(view: HubView, reference: str) -> ExceptionCase:
    found = re.fullmatch(r"EXC-(\d{1,18})", reference)
    if found is None:
        raise Problem(404, "not_found", "A reference looks like EXC-10482.")
    return get_case(view.principal, int(found[1]))
