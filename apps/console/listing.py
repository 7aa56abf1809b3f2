"""What every list page does: pages of rows, filter menus, sorting, CSV."""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import django_filters
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import render

from apps.console.requests import ConsoleRequest, wants

PAGE_SIZE = 50
EXPORT_LIMIT = 50_000
Choices = Sequence[tuple[str, str]] | Callable[[], Sequence[tuple[str, str]]]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a filter menu."""

    value: str
    label: str
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class FilterMenu:
    """A filter of a list: the parameter's name and its values."""

    name: str
    label: str
    choices: tuple[Choice, ...]
    severity: bool = False


@dataclass(frozen=True, slots=True)
class ViewTab:
    """A named query of a list; ``count`` None shows no figure."""

    key: str
    label: str
    url: str
    current: bool = False
    count: int | str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title and its class (``num``, ``c-amount`` …)."""

    label: str
    css: str = ""


class Ticks(django_filters.MultipleChoiceFilter):
    """The rows with any of the values that are ticked in a menu. ``choices`` that are read from a
    table are given as a function, which is called for each request."""

    def __init__(self, column: str, choices: Choices) -> None:
        super().__init__(field_name=column, choices=choices, distinct=False)


def filter_menu(
    request: ConsoleRequest, name: str, label: str, options: Iterable[tuple[str, str]]
) -> FilterMenu:
    """A menu of (value, label) with the request's choice marked."""
    chosen = set(request.GET.getlist(name))
    choices = tuple(Choice(value, text, value in chosen) for value, text in options)
    return FilterMenu(name, label, choices, severity=name == "severity")


def page_of(
    rows: Any, request: ConsoleRequest, *, size: int = PAGE_SIZE, total: int | None = None
) -> Page[Any]:
    """The asked page of rows; a number out of range gives the nearest page.

    ``total`` saves the count where the figure is known already.
    """
    paginator = Paginator(rows, size)
    if total is not None:
        paginator.__dict__["count"] = total  # fills the cached property
    return paginator.get_page(request.GET.get("page"))


def tab_url(base: str, **parameters: str) -> str:
    """A tab's address."""
    query = "&".join(f"{key}={value}" for key, value in parameters.items() if value)
    return f"{base}?{query}" if query else base


def render_list(
    request: ConsoleRequest, body: str, context: Mapping[str, Any], page: str = ""
) -> HttpResponse:
    """The list alone when htmx asked for it, else the whole page around it."""
    if wants(request, "list"):
        return render(request, body, {**context})
    return render(request, page or "console/list_page.html", {"body": body, **context})


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> HttpResponse:
    """Rows as a CSV file; a cell that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO()
    text.write("\ufeff")  # spreadsheets read UTF-8 only with the mark
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value.isoformat() if isinstance(value, dt.datetime | dt.date) else str(value)
    if isinstance(value, str) and text.startswith(_FORMULA):
        return f"'{text}"
    return text
