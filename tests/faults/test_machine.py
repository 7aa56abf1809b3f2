"""Any order of messages, work, crashes, lost answers and people keeps the invariants.

``Q2C_FAULTS_EXAMPLES`` (default: a few, for every change) says how many histories are tried;
200 before a milestone.
"""

import os
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from apps.core.clock import utc_now
from apps.core.failpoints import CATALOGUE, armed
from apps.ingestion.models import Delivery
from apps.mappings.models import MappingVersion
from apps.mappings.services import propose_version, set_rules, start_draft
from benchmarks.faults.invariants import (
    audited,
    equal_sums,
    in_order,
    posted_once,
    replayable,
    stale_writes,
)
from benchmarks.faults.layer_a.bells import answer
from benchmarks.faults.layer_a.cases import Deals
from benchmarks.faults.layer_a.hub import Hub
from benchmarks.faults.layer_a.people import approve_all, person, resolve_open
from benchmarks.faults.layer_a.platforms import FAULTS, OPERATIONS, Fault
from benchmarks.faults.layer_a.reading import Mark, check, read_facts
from benchmarks.faults.layer_a.world import ENTITIES, Deal, Message, platform_of

EXAMPLES = int(os.environ.get("Q2C_FAULTS_EXAMPLES", "2"))
ROLES = ("cpq", "billing", "provisioning", "erp")
# What holds at any moment, not only at rest.
ALWAYS = (posted_once, equal_sums, in_order, stale_writes, replayable)
# A document that says otherwise is accepted by two people, so that sums differ by their will.
KINDS = sorted(set(FAULTS) - {"differs"})


class Machine(RuleBasedStateMachine):
    """Over one installation; each history begins at a mark of its own."""

    hub: ClassVar[Hub]
    deals: ClassVar[Deals]
    contracts: Bundle[Deal] = Bundle("contracts")
    messages: Bundle[Message] = Bundle("messages")

    @initialize()
    def begin(self) -> None:
        self.hub.settle()
        self.hub.platforms.faults.clear()
        self.hub.faults.clear()
        self.mark = Mark.now(self.hub)
        self.refused: list[str] = []

    @rule(target=contracts, entity=st.sampled_from(sorted(ENTITIES)))
    def sell(self, entity: str) -> Deal:
        deal = self.deals.fresh(entity)
        self.hub.post(deal.quote())
        return deal

    @rule(target=messages, deal=contracts, turn=st.integers(1, 2))
    def amend(self, deal: Deal, turn: int) -> Message:
        return self._deliver(deal.amendment(turn))

    @rule(target=messages, deal=contracts, turn=st.integers(1, 2))
    def bill(self, deal: Deal, turn: int) -> Message:
        return self._deliver(deal.invoice(turn))

    @rule(target=messages, deal=contracts, version=st.integers(1, 5))
    def restate(self, deal: Deal, version: int) -> Message:
        """A version of the quote, in whatever order versions come."""
        return self._deliver(deal.quote(version, department=f"SALES-{version}"))

    def _deliver(self, message: Message) -> Message:
        self.hub.post(message)
        return message

    @rule(message=messages)
    def repeat(self, message: Message) -> None:
        self.hub.send(message)

    @rule(deal=contracts)
    def forge(self, deal: Deal) -> None:
        message = deal.invoice(9)
        assert self.hub.send(message, signature="guessed") == 401
        self.refused.append(message.id)

    @rule(number=st.integers(1, 12), shuffle=st.booleans(), seed=st.randoms())
    def work(self, number: int, shuffle: bool, seed: object) -> None:
        self.hub.bells.shuffle = seed if shuffle else None  # type: ignore[assignment]
        for _ in range(number):
            self.hub.answer_one()
        self.hub.bells.shuffle = None

    @rule()
    def sweep(self) -> None:
        self.hub.sweep()

    @rule()
    def lose_bells(self) -> None:
        self.hub.bells.waiting.clear()

    @rule()
    def call_back(self) -> None:
        self.hub.call_back()

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0, 90.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        """Leases and claims expire, retries fall due."""
        self.hub.clock.advance(seconds)

    @rule(point=st.sampled_from(sorted(CATALOGUE)), nth=st.integers(1, 3))
    def crash_at(self, point: str, nth: int) -> None:
        """A worker dies the n-th time that it passes a failpoint."""
        passed = 0

        def die(name: str, _about: str) -> None:
            nonlocal passed
            passed += name == point
            if name == point and passed == nth:
                self.hub.kill()

        with armed(die):
            self.hub.sweep()
            for _ in range(15):
                self.hub.answer_one()
                self.hub.call_back()

    @rule(
        entity=st.sampled_from(sorted(ENTITIES)), role=st.sampled_from(ROLES),
        operation=st.sampled_from(OPERATIONS), kind=st.sampled_from(KINDS),
    )  # fmt: skip
    def spoil_answer(self, entity: str, role: str, operation: str, kind: str) -> None:
        self.hub.platforms.faults.append(Fault(platform_of(entity, role), operation, kind))

    @rule(vendor=st.sampled_from(sorted(set(ENTITIES.values()))), mark=st.integers(1, 10**6))
    def edit_mapping(self, vendor: str, mark: int) -> None:
        """Propose a mapping version that sends one word more; another person has to approve it."""
        code, maker = f"{vendor}.invoice.create.out", person("maker")
        if MappingVersion.objects.filter(mapping__code=code, state="proposed").exists():
            return
        draft = start_draft(code, actor=maker.actor, now=utc_now())
        fields = {**draft.rules["object"], "remark": {"const": f"remark {mark}"}}
        set_rules(draft.id, {"object": fields}, actor=maker.actor)
        propose_version(draft.id, principal=maker, now=utc_now(), note="One word more")

    @rule()
    def approve(self) -> None:
        approve_all()

    @rule()
    def redrive(self) -> None:
        """People resolve what waits for them: retried, decided, redriven."""
        resolve_open(self.hub)

    @rule()
    def resume(self) -> None:
        self.hub.resume_paused()

    @rule()
    def reconcile(self) -> None:
        self.hub.survive(lambda: answer(("reconciliation.review", ())))

    @invariant()
    def what_always_holds(self) -> None:
        if not hasattr(self, "mark"):
            return
        facts = read_facts(self.hub, self.mark)
        assert [breach for holds in ALWAYS for breach in holds(facts)] == []
        unsigned = [b for b in audited(facts) if b.subject != "chain"]
        assert unsigned == []
        kept = Delivery.objects.filter(message_id__in=facts.accepted)
        assert set(kept.values_list("message_id", flat=True)) == set(facts.accepted)
        assert not Delivery.objects.filter(message_id__in=self.refused).exists()

    def teardown(self) -> None:
        """Faults stop; the hub recovers, people resolve the rest, and everything is done."""
        if not hasattr(self, "mark"):
            return
        self.hub.platforms.faults.clear()
        self.hub.settle()
        for _ in range(5):
            if not resolve_open(self.hub) + self.hub.resume_paused():
                break
            self.hub.settle()
        assert check(self.hub, self.mark) == []


@pytest.mark.timeout(3600)
def test_any_history_keeps_the_invariants(hub: Hub, deals: Deals) -> None:
    Machine.hub, Machine.deals = hub, deals
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=25, deadline=None, derandomize=True,
            database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
