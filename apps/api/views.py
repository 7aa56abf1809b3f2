"""What every resource shares: who calls, what they may do, pages, and the log of calls."""

import time
from typing import Any, ClassVar, cast

from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from apps.api.authentication import ClientUser
from apps.api.models import ApiCall
from apps.api.problems import Problem, plain_problem
from apps.core.clock import utc_now
from apps.core.principal import Principal
from apps.users.models import ApiClient
from apps.users.policies import require


class HubView(APIView):
    """A resource. ``actions`` names the permission that each method needs."""

    actions: ClassVar[dict[str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _refuse_nul(request)
        action = self.actions.get(str(request.method))
        if action is not None:
            require(self.principal, action)

    @property
    def principal(self) -> Principal:
        """The program that calls, its scopes and its legal entities."""
        return cast(ClientUser, self.request.user).principal

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        response = super().dispatch(request, *args, **kwargs)
        self._log(response, int((time.monotonic() - started) * 1000))
        return response

    def _log(self, response: Any, duration_ms: int) -> None:
        client = cast(ApiClient | None, self.request.auth)
        problem = response.data.get("code", "") if response.status_code >= 400 else ""
        ApiCall.objects.create(
            client_id=client.id if client else None,
            client_name=client.name if client else "",
            legal_entity_id=client.legal_entity_id if client else None,
            method=str(self.request.method),
            path=self.request.path[:300].replace("\x00", "\ufffd"),
            status_code=response.status_code,
            problem=str(problem)[:60],
            idempotency_key=self.request.headers.get("Idempotency-Key", "")[:255],
            duration_ms=duration_ms,
            at=utc_now(),
        )


def _refuse_nul(request: Request) -> None:
    """PostgreSQL has no U+0000 in text; such a value can match nothing."""
    values = [request.path, *(v for vs in request.query_params.lists() for v in vs[1])]
    if any("\x00" in value for value in values):
        raise Problem(400, "malformed", "The address contains a NUL character. Remove it.")


def _bad_cursor() -> Problem:
    return Problem(400, "bad_cursor", "The cursor is not one we gave. Start at the first page.")


class HubCursor(CursorPagination):
    """Pages by cursor: rows that appear meanwhile neither repeat nor hide others."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            return super().decode_cursor(request)
        except exceptions.NotFound as error:
            raise _bad_cursor() from error


class HubListView(HubView):
    """A list: ``rows`` gives what the principal may see, ``ordering`` its stable order."""

    serializer_class: ClassVar[type[BaseSerializer[Any]]]
    ordering: ClassVar[tuple[str, ...]] = ("-created_at", "-id")

    def rows(self) -> QuerySet[Any]:
        raise Problem(404, "not_found", "There is no such list.")

    def get(self, request: Request) -> Response:
        pages = HubCursor()
        pages.ordering = self.ordering
        try:
            page = pages.paginate_queryset(self.rows(), request, view=self) or []
        except (ValidationError, DataError) as error:  # a cursor that somebody made up
            raise _bad_cursor() from error
        return pages.get_paginated_response(self.serializer_class(page, many=True).data)

    def asked(self, name: str) -> list[str]:
        """The values of a query parameter, given once or several times."""
        return [value for value in self.request.query_params.getlist(name) if value]


@csrf_exempt
def nowhere(request: HttpRequest) -> HttpResponse:
    """An address of the API that does not exist."""
    return plain_problem(
        404, "no_resource", f"There is no {request.path}. The schema lists what there is."
    )
