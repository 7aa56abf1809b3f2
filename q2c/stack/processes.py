"""Every process of the product, as data: arguments of Python, in which supervisor.py fills {port}
and {state} in.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessSpec:
    """One process.

    phase: processes of one phase start together, once the earlier phases are ready; stopping goes
    the other way round.
    url_variable: the process listens; every process learns its address by this variable, so all
    ports are chosen first.
    probe: a path that answers 200 when it is ready; without one it is ready once it has started.
    preferred_port: the port to take when it is free; else a random one, kept for later starts.
    """

    name: str
    arguments: str
    phase: int
    url_variable: str = ""
    probe: str = ""
    preferred_port: int = 0
    grace: float = 6.0


SIMULATOR = "-m apps.simulators.{vendor} --port {{port}} --state {{state}}"
# Workers share nothing at start (mingle, gossip): what they need to know is in the database.
WORKER = "-m celery -A q2c worker --without-mingle --without-gossip -l warning"


def _simulator(vendor: str) -> ProcessSpec:
    return ProcessSpec(
        name=f"sim-{vendor}",
        arguments=SIMULATOR.format(vendor=vendor),
        phase=1,
        url_variable=f"SIM_{vendor.upper()}_URL",
        probe="/_sim/health",
    )


PROCESSES = (
    _simulator("salesforce"),
    _simulator("stripe"),
    _simulator("netsuite"),
    _simulator("provisioning"),
    ProcessSpec(
        name="web",
        arguments="-m uvicorn q2c.asgi:application --host 127.0.0.1 --port {port}"
        " --ws websockets-sansio --no-access-log",
        phase=2,
        url_variable="HUB_URL",
        probe="/healthz/",
        preferred_port=8000,
    ),
    ProcessSpec(
        name="worker", arguments=f"{WORKER} -n worker@%h -Q default,workflows -c 2", phase=2
    ),
    ProcessSpec(name="lanes", arguments=f"{WORKER} -n lanes@%h -Q lanes -c 4", phase=2),
    ProcessSpec(name="scheduler", arguments="manage.py run_scheduler", phase=2),
)
