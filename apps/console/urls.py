"""Addresses of the console: nouns with human numbers; an action is a sub-noun by POST."""

from django.urls import include, path

from apps.console.views import (
    approvals,
    audit,
    batches,
    connectors,
    dead_letters,
    entry,
    exception_actions,
    exception_batches,
    exceptions,
    mappings,
    master_data,
    messages,
    orders,
    profile,
    reconciliation,
    today,
    workflow_actions,
    workflows,
)

ENTRY = [
    path("sign-in/", entry.SignIn.as_view(), name="sign-in"),
    path("sign-out/", entry.SignOut.as_view(), name="sign-out"),
    path("healthz/", entry.health, name="health"),
    path("live/counts/", entry.counts, name="live-counts"),
    path("jump/", entry.jump, name="jump"),
    path("find/", entry.find, name="find"),
    path("", today.today, name="today"),
]
EXCEPTIONS = [
    path("", exceptions.exceptions, name="exceptions"),
    path("export/", exceptions.export, name="exceptions-export"),
    path("batches/", exception_batches.exceptions_batch, name="exceptions-batch"),
    path("<str:number>/", exceptions.exception, name="exception"),
    path("<str:number>/panel/", exceptions.panel, name="exception-panel"),
    path("<str:number>/row/", exceptions.row, name="exception-row"),
    path("<str:number>/payload/", exceptions.payload, name="exception-payload"),
    path("<str:number>/retry/", exception_actions.retry, name="exception-retry"),
    path("<str:number>/assign/", exception_actions.assign, name="exception-assign"),
    path("<str:number>/snooze/", exception_actions.snooze, name="exception-snooze"),
    path("<str:number>/resolve/", exception_actions.resolve, name="exception-resolve"),
    path("<str:number>/discard/", exception_actions.discard, name="exception-discard"),
    path("<str:number>/reopen/", exception_actions.reopen, name="exception-reopen"),
    path("<str:number>/comments/", exception_actions.comment, name="exception-comment"),
    path("<str:number>/remedies/<str:code>/", exception_actions.remedy, name="exception-remedy"),
]
DEAD_LETTERS = [
    path("", dead_letters.dead_letters, name="dead-letters"),
    path("export/", dead_letters.export, name="dead-letters-export"),
    path("batches/", dead_letters.batch, name="dead-letters-batch"),
    path("<str:number>/", dead_letters.dead_letter, name="dead-letter"),
    path("<str:number>/panel/", dead_letters.panel, name="dead-letter-panel"),
    path("<str:number>/redrive/", dead_letters.redrive, name="dead-letter-redrive"),
    path("<str:number>/discard/", dead_letters.discard, name="dead-letter-discard"),
]
RECONCILIATION = [
    path("", reconciliation.reconciliation, name="reconciliation"),
    path("runs/", reconciliation.run_again, name="reconciliation-runs"),
    path("export/", reconciliation.export, name="reconciliation-export"),
    path("breaks/<str:number>/", reconciliation.drawer, name="break-drawer"),
    path("breaks/<str:number>/take/", reconciliation.take, name="break-take"),
    path("breaks/<str:number>/write-off/", reconciliation.write_off, name="break-write-off"),
]
TRACE = [
    path("orders/", orders.orders, name="orders"),
    path("orders/<str:key>/", orders.journey, name="journey"),
    path("journeys/<uuid:journey_id>/", orders.journey_by_id, name="journey-by-id"),
    path("journeys/<uuid:journey_id>/evidence/", orders.evidence, name="journey-evidence"),
    path("workflows/", workflows.workflows, name="workflows"),
    path("workflows/<uuid:run_id>/", workflows.workflow, name="workflow"),
    path("workflows/<uuid:run_id>/<str:how>/", workflow_actions.act, name="workflow-act"),
    path(
        "workflows/<uuid:run_id>/steps/<str:step>/<str:how>/",
        workflow_actions.act,
        name="workflow-step-act",
    ),
    path("messages/", messages.messages, name="messages"),
    path("messages/<str:view>/<uuid:item_id>/", messages.message, name="message"),
    path("batches/", batches.batches, name="batches"),
    path("batches/<str:number>/", batches.batch, name="batch"),
    path("batches/<str:number>/<str:how>/", batches.steer, name="batch-steer"),
]
MAPPINGS = [
    path("", mappings.mappings, name="mappings"),
    path("<str:code>/", mappings.mapping, name="mapping"),
    path("<str:code>/drafts/", mappings.draft, name="mapping-draft"),
    path("<str:code>/discard/", mappings.discard, name="mapping-discard"),
    path("<str:code>/rows/", mappings.row, name="mapping-row"),
    path("<str:code>/test/", mappings.test, name="mapping-test"),
    path("<str:code>/propose/", mappings.propose, name="mapping-propose"),
    path("<str:code>/withdraw/", mappings.withdraw, name="mapping-withdraw"),
    path("<str:code>/roll-back/", mappings.back, name="mapping-back"),
]
CONFIGURE = [
    path("master-data/", master_data.master_data, name="master-data"),
    path("master-data/customers/<str:number>/", master_data.customer, name="customer"),
    path(
        "master-data/customers/<str:number>/correct/", master_data.correct, name="customer-correct"
    ),
    path("connectors/", connectors.connectors, name="connectors"),
    path("connectors/<str:code>/", connectors.connectors, name="connector"),
    path(
        "connectors/<str:code>/windows/", connectors.add_maintenance, name="connector-window-add"
    ),
    path(
        "connectors/<str:code>/windows/<uuid:window_id>/drop/",
        connectors.drop_maintenance,
        name="connector-window-drop",
    ),
    path("connectors/<str:code>/<str:how>/", connectors.steer, name="connector-steer"),
    path("approvals/", approvals.approvals, name="approvals"),
    path("approvals/<str:number>/", approvals.approval, name="approval"),
    path("approvals/<str:number>/<str:decision>/", approvals.decide, name="approval-decide"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export/", audit.export, name="audit-export"),
    path("audit/<int:event_id>/", audit.audit_event, name="audit-event"),
    path("profile/", profile.profile, name="profile"),
    path("profile/views/", profile.save_view, name="save-view"),
    path("profile/views/<uuid:view_id>/drop/", profile.forget_view, name="forget-view"),
]


urlpatterns = [
    *ENTRY,
    path("exceptions/", include(EXCEPTIONS)),
    path("dead-letters/", include(DEAD_LETTERS)),
    path("reconciliation/", include(RECONCILIATION)),
    *TRACE,
    path("mappings/", include(MAPPINGS)),
    *CONFIGURE,
]
