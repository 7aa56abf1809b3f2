"""``python -m benchmarks.faults.layer_a``: every single fault, or the CI's sample of them.

Needs DATABASE_URL of a role that may create databases; uses a test database of its own.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
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
    from benchmarks.faults.layer_a.enumeration import FOR_CI, plan_all, run_plan, sample
    from benchmarks.faults.layer_a.hub import Hub
    from benchmarks.faults.layer_a.world import install
    from benchmarks.report import Figure, report

    hub, begun, told = Hub(), time.monotonic(), list[dict[str, str]]()
    with hub.running():
        install(utc_now())
        deals = Deals(hub, ahead=5 if options.tier == "ci" else 20)
        if options.tier == "ci":
            plan = sample(plan_all(hub, deals, struck=FOR_CI), options.seed)
        else:
            plan = plan_all(hub, deals)
        plan = plan.part(*map(int, options.part.split("/")))
        print(f"layer A: {len(plan)} single faults, seed {options.seed}", flush=True)
        for number, (name, breach) in enumerate(run_plan(hub, deals, plan), 1):
            if breach:
                told.append({"fault": name, **asdict(breach)})
                print(f"  {name}: {breach.invariant} {breach.subject} {breach.words}", flush=True)
            elif number % 100 == 0:
                print(f"  {number} tried, {time.monotonic() - begun:.0f} s", flush=True)
    facts = {
        "tier": options.tier, "seed": options.seed, "part": options.part,
        "single_faults": len(plan), "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(time.process_time(), 1), "deaths": hub.deaths,
        "calls": hub.platforms.calls, "documents": len(hub.platforms.entries), "broken": told,
    }  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(facts, indent=1))
    print("layer A:", ", ".join(f"{name} {facts[name]}" for name in list(facts)[3:-1]))
    return report(
        [
            Figure("faults.layer_a.single_faults", len(plan), "faults", ">=1"),
            Figure("faults.layer_a.invariants_broken", len(told), "breaches", "0"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
