"""What the load generator sends is what the hub's workers can take up."""

import json

from apps.api.setup.load import DEFAULTS
from apps.connectors.vendors.stripe.webhooks import split
from apps.mappings.engine.run import translate_document
from benchmarks.ingest.messages import signed_requests


def test_each_message_is_an_invoice_of_its_own_that_the_default_mapping_reads():
    rules = json.loads((DEFAULTS / "stripe.invoice.in.json").read_text())["rules"]
    bodies = [
        request.partition(b"\r\n\r\n")[2] for request in signed_requests(2, 8000, "whsec_given")
    ]
    messages = [message for body in bodies for message in split(body)]
    assert len({message.object_id for message in messages}) == 2
    for message in messages:
        result = translate_document(rules, message.payload or {}, {}, {})
        assert result.missing == ()
        assert result.output is not None
        assert result.output["contract"] == "C-88200"
