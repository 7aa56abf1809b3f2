"""Postings, read only: what the hub writes to the platforms and where it stands."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.fields import MoneyField
from apps.api.views import HubListView, HubView
from apps.postings.models import Posting


class PostingSerializer(serializers.Serializer[Posting]):
    reference = serializers.CharField(help_text="As the platform's document carries it.")
    entity = serializers.CharField(source="legal_entity.code")
    operation = serializers.CharField()
    document_type = serializers.CharField()
    document = serializers.CharField(source="document_label")
    state = serializers.CharField(
        help_text="posted is the platform's word, confirmed is ours after reading it back."
    )
    amount = MoneyField("amount")
    currency = serializers.CharField()
    attempts = serializers.IntegerField()
    external_id = serializers.CharField()
    error_code = serializers.CharField()
    error_message = serializers.CharField()
    journey = serializers.UUIDField(source="journey_id", allow_null=True)
    created_at = serializers.DateTimeField()


class PostingList(HubListView):
    """Postings of your legal entities, newest first."""

    actions: ClassVar = {"GET": "posting.read"}
    serializer_class: ClassVar = PostingSerializer
    ordering: ClassVar = ("-sequence",)

    def rows(self) -> QuerySet[Posting]:
        postings = _postings(self)
        states = self.asked("state")
        return postings.filter(state__in=states) if states else postings


class PostingDetail(HubView):
    """One posting by its reference."""

    actions: ClassVar = {"GET": "posting.read"}

    @extend_schema(responses=PostingSerializer)
    def get(self, request: Request, reference: str) -> Response:
        return Response(PostingSerializer(_postings(self).get(reference=reference)).data)


def _postings(view: HubView) -> QuerySet[Posting]:
    postings: QuerySet[Posting] = Posting.objects.visible_to(view.principal)
    return postings.select_related("legal_entity")
