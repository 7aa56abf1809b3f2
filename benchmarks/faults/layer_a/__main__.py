"""``python -m benchmarks.faults.layer_a``: every single fault, or the CI's sample of them.

Needs DATABASE_URL of a role that may create databases; uses a test database of its own.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import django
from django.conf import settings


def main() -> int:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
    django.setup()
    from django.db import connection

    settings.DATABASES["default"]["TEST"]["NAME"] = f"layer_a_{options.part.replace('/', '_')}"
    connection.settings_dict["TEST"]["NAME"] = settings.DATABASES["default"]["TEST"]["NAME"]
    before = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        return _run(options)
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=("ci", "milestone", "release"), default="ci")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", default="1/1", help="which part of how many, e.g. 2/2")
    parser.add_argument("--out", type=Path, help="where the report goes, as JSON")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> int:
    from apps.core.clock import utc_now
    from benchmarks.faults.layer_a.cases import Deals
    from benchmarks.faults.layer_a.enumeration import plan_all, run_plan, sample
    from benchmarks.faults.layer_a.hub import Hub
    from benchmarks.faults.layer_a.world import install
    from benchmarks.report import Figure, report

    part, parts = map(int, options.part.split("/"))
    hub, begun = Hub(), time.monotonic()
    broken: Counter[str] = Counter()
    told: list[dict[str, str]] = []
    names: set[str] = set()
    with hub.running():
        install(utc_now())
        deals = Deals(hub)
        plan = plan_all(hub, deals)
        whole = len(plan)
        if options.tier == "ci":
            plan = sample(plan, options.seed)
        plan = plan.part(part, parts)
        print(f"layer A: {len(plan)} of {whole} single faults, seed {options.seed}", flush=True)
        for name, breach in run_plan(hub, deals, plan):
            names.add(name)
            if breach:
                broken[breach.invariant] += 1
                told.append({"fault": name, "invariant": breach.invariant,
                             "subject": breach.subject, "words": breach.words})  # fmt: skip
                print(f"  {name}: {breach.invariant} {breach.subject} {breach.words}", flush=True)
    seconds = time.monotonic() - begun
    if options.out:
        facts = {"tier": options.tier, "seed": options.seed, "part": options.part,
                 "single_faults": len(plan), "of": whole, "seconds": round(seconds, 1),
                 "deaths": hub.deaths, "calls": hub.platforms.calls,
                 "documents": len(hub.platforms.entries), "broken": told}  # fmt: skip
        options.out.write_text(json.dumps(facts, indent=1))
    print(f"layer A: {len(names)} faults in {seconds:.0f} s, {hub.deaths} deaths, "
          f"{len(hub.platforms.entries)} documents")  # fmt: skip
    return report(
        [
            Figure("faults.layer_a.single_faults", len(plan), "faults", ">=1"),
            Figure("faults.layer_a.invariants_broken", sum(broken.values()), "breaches", "0"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
