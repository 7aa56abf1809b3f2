"""The domain API, version 1: nouns; an action is a sub-noun by POST."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from apps.api.resources.connections import ConnectionDetail, ConnectionList
from apps.api.resources.exceptions import CaseDetail, CaseList, CaseRetry
from apps.api.resources.invoices import InvoiceDetail, InvoiceList
from apps.api.resources.journeys import JourneyDetail
from apps.api.resources.orders import OrderDetail, OrderList
from apps.api.resources.postings import PostingDetail, PostingList
from apps.api.resources.quotes import QuoteSubmission
from apps.api.resources.reconciliation import BreakList, RunDetail, RunList
from apps.api.resources.workflow_runs import (
    RunCancel,
    RunCompensation,
    RunPause,
    RunReset,
    RunResume,
    WorkflowRunDetail,
    WorkflowRunList,
)
from apps.api.views import nowhere

app_name = "api"

WORKFLOW_RUNS = [
    path("", WorkflowRunList.as_view(), name="workflow-runs"),
    path("<uuid:run_id>/", WorkflowRunDetail.as_view(), name="workflow-run"),
    path("<uuid:run_id>/pause/", RunPause.as_view(), name="workflow-run-pause"),
    path("<uuid:run_id>/resume/", RunResume.as_view(), name="workflow-run-resume"),
    path("<uuid:run_id>/cancel/", RunCancel.as_view(), name="workflow-run-cancel"),
    path("<uuid:run_id>/reset/", RunReset.as_view(), name="workflow-run-reset"),
    path(
        "<uuid:run_id>/compensation/", RunCompensation.as_view(), name="workflow-run-compensation"
    ),
]

urlpatterns = [
    path("quotes/", QuoteSubmission.as_view(), name="quotes"),
    path("orders/", OrderList.as_view(), name="orders"),
    path("orders/<str:number>/", OrderDetail.as_view(), name="order"),
    path("invoices/", InvoiceList.as_view(), name="invoices"),
    path("invoices/<str:number>/", InvoiceDetail.as_view(), name="invoice"),
    path("exceptions/", CaseList.as_view(), name="exceptions"),
    path("exceptions/<str:reference>/", CaseDetail.as_view(), name="exception"),
    path("exceptions/<str:reference>/retry/", CaseRetry.as_view(), name="exception-retry"),
    path("postings/", PostingList.as_view(), name="postings"),
    path("postings/<str:reference>/", PostingDetail.as_view(), name="posting"),
    path("reconciliation/runs/", RunList.as_view(), name="runs"),
    path("reconciliation/runs/<int:number>/", RunDetail.as_view(), name="run"),
    path("reconciliation/breaks/", BreakList.as_view(), name="breaks"),
    path("workflow-runs/", include(WORKFLOW_RUNS)),
    path("journeys/<path:reference>/", JourneyDetail.as_view(), name="journey"),
    path("connections/", ConnectionList.as_view(), name="connections"),
    path("connections/<str:code>/", ConnectionDetail.as_view(), name="connection"),
    path(
        "schema/",
        SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]),
        name="schema",
    ),
    re_path(r"^.*$", nowhere, name="nowhere"),
]
