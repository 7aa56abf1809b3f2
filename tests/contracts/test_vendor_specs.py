"""Our hand-written contracts beside a folder of vendor specifications, when there is one.

`Q2C_VENDOR_SPECS` names the folder. Without it these comparisons are skipped; the contracts
themselves are always run.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.schema_problems import schema_file

pytestmark = pytest.mark.contract

FOLDER = os.environ.get("Q2C_VENDOR_SPECS", "")
OBJECTS = sorted(schema_file("salesforce/objects.json")["objects"])
RECORDS = ["invoice", "creditMemo", "customerPayment", "journalEntry"]
needs_specs = pytest.mark.skipif(
    not FOLDER,
    reason=f"{len(OBJECTS) + len(RECORDS)} comparisons with vendor specifications not run: "
    "Q2C_VENDOR_SPECS is not set",
)
KINDS = {
    "reference": {"Lookup", "MasterDetail", "Hierarchy"},
    "number": {"Currency", "Percent", "Number", "Summary"},
    "boolean": {"Checkbox"},
    "date": {"Date"},
    "datetime": {"DateTime"},
    "text": {"Text", "TextArea", "LongTextArea", "Html", "Picklist"},
}


def spec(path: str) -> Any:
    return json.loads((Path(FOLDER) / path).read_text())


@needs_specs
@pytest.mark.parametrize("name", OBJECTS)
def test_managed_fields_exist_with_these_types(name: str) -> None:
    known = spec("salesforce/sbqq-fields.json")[name]
    managed = schema_file("salesforce/objects.json")["objects"][name]["managed"]
    wrong = {
        field: kind
        for field, kind in managed.items()
        if known.get(field, {}).get("type") not in KINDS[kind]
    }
    assert wrong == {}


@needs_specs
@pytest.mark.parametrize("name", RECORDS)
def test_netsuite_fields_are_known(name: str) -> None:
    known = spec("netsuite/record_v1_subset_2026.1.json")["records"][name]["body"]
    invoice = spec("netsuite/record_v1_subset_2026.1.json")["records"]["invoice"]["body"]
    ours = schema_file("netsuite/requests.json")["$defs"][name]["properties"]
    unknown = set(ours) - set(known) - set(invoice)
    assert unknown <= {"approved"}
