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
    grace: seconds that it may take to stop.
    beats: it is a worker that beats in PostgreSQL under its name, and is started anew when it is
    silent for too long.
    """

    name: str
    arguments: str
    phase: int
    url_variable: str = ""
    probe: str = ""
    preferred_port: int = 0
    grace: float = 6.0
    beats: bool = False


SIMULATOR = "-m apps.simulators.{vendor} --port {{port}} --state {{state}}"
# Workers share nothing at start (mingle, gossip): what they need to know is in the database.
# A worker hands back what it does within 20 s.
WORKER = "-m celery -A q2c worker --without-mingle --without-gossip -l warning"


def _simulator(vendor: str) -> ProcessSpec:
    return ProcessSpec(
        name=f"sim-{vendor}",
        arguments=SIMULATOR.format(vendor=vendor),
        phase=1,
        url_variable=f"SIM_{vendor.upper()}_URL",
        probe="/_sim/health",
    )


def _worker(name: str, options: str) -> ProcessSpec:
    return ProcessSpec(name=name, arguments=f"{WORKER} {options}", phase=2, grace=24.0, beats=True)


SIMULATORS = (
    _simulator("salesforce"),
    _simulator("stripe"),
    _simulator("netsuite"),
    _simulator("provisioning"),
)
HUB = (
    ProcessSpec(
        name="web",
        arguments="-m uvicorn q2c.asgi:application --host 127.0.0.1 --port {port}"
        " --ws websockets-sansio --no-access-log --timeout-graceful-shutdown 10",
        phase=2,
        url_variable="HUB_URL",
        probe="/healthz/",
        preferred_port=8000,
        grace=14.0,
    ),
    _worker("worker", "-n worker@%h -Q default,workflows -c 2"),
    _worker("lanes", "-n lanes@%h -Q lanes -c 4"),
    ProcessSpec(name="scheduler", arguments="manage.py run_scheduler", phase=2, grace=24.0),
)
PROCESSES = (*SIMULATORS, *HUB)
