"""Every single fault, one at a time: strikes at failpoints, answers of platforms, lost bells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random

from apps.core.clock import utc_now
from apps.core.failpoints import armed
from apps.exceptions.models import OPEN_STATES, ExceptionCase
from apps.exceptions.selectors import cases_by_id
from apps.jobs.models import Batch
from apps.resolutions.services import start_batch
from benchmarks.faults.invariants import Breach
from benchmarks.faults.layer_a.cases import (
    STARTS,
    STRIKES,
    Case,
    Deals,
    Place,
    Strike,
    finish,
    run_case,
    strikes_at,
    trace,
)
from benchmarks.faults.layer_a.hub import Hub, NeverAtRestError
from benchmarks.faults.layer_a.people import person, resolve_open
from benchmarks.faults.layer_a.platforms import FAULTS, Fault
from benchmarks.faults.layer_a.reading import Mark, check
from benchmarks.faults.layer_a.world import ENTITIES, Deal, platform_of

ABLE = ("posting.", "lookup.")  # places at which the platform's capability matters
WITH_AMOUNTS = ("invoice.create", "journal.create")  # what is read back against what was meant
UNANSWERED = ("apply_then_timeout", "lost_on_the_way", "lag")  # where the capability decides
FOR_CI = ("KEY1", "LKP1")  # the capability that may resend at once, and the one that may not
SET = 70  # contracts that meet platforms' faults side by side, one fault each


@dataclass(frozen=True, slots=True)
class Answer:
    """One platform's answer to one write of one workflow."""

    workflow: str
    entity: str
    role: str
    operation: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.workflow} {self.entity} {self.role} {self.operation} {self.kind}"


@dataclass
class Plan:
    """All single faults that this installation's workflows can meet."""

    cases: list[Case] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)  # strikes between the sets of a batch

    def part(self, number: int, of: int) -> "Plan":
        """Every ``of``-th fault, beginning with the ``number``-th."""
        chosen = slice(number - 1, None, of)
        return Plan(self.cases[chosen], self.answers[chosen], self.batches[chosen])

    def __len__(self) -> int:
        return len(self.cases) + len(self.answers) + len(self.batches)


def plan_all(hub: Hub, deals: Deals, *, struck: Sequence[str] = tuple(ENTITIES)) -> Plan:
    """Run each workflow without faults, and list what may strike where it passed. ``struck`` are
    the legal entities whose runs are struck at failpoints; platforms' answers are for all."""
    plan = Plan(batches=[s for s in STRIKES if s != "stop"])
    entities = cycle(ENTITIES)
    for workflow in STARTS:
        passed = {e: trace(hub, deals, Case(workflow, e, "none"))[0] for e in struck}
        deals.stock("KEY1")  # what making contracts writes is not this workflow's
        begun = len(hub.platforms.entries)
        _, rung = trace(hub, deals, Case(workflow, "KEY1", "none"))
        writes = {
            (e.platform.split("-")[1], e.operation): None for e in hub.platforms.entries[begun:]
        }
        plan.cases += _strikes(workflow, passed)
        plan.cases += _bells(workflow, rung, entities)
        plan.answers += _answers(workflow, list(writes))
        looked_up = list(writes) if len(struck) == len(ENTITIES) else list(writes)[-1:]
        plan.cases += _recoveries(hub, deals, workflow, looked_up)
        muted, _ = trace(hub, deals, Case(workflow, "KEY1", "mute"))
        rings = [p for p in muted if p.point.startswith("relay.")]
        plan.cases += [Case(workflow, "KEY1", "kill", place) for place in rings]
    return plan


def _strikes(workflow: str, passed: Mapping[str, Sequence[Place]]) -> list[Case]:
    """A kill at every place, for every capability where it matters; the other strikes at every
    place, the capabilities in turn. Each capability's run is struck where it passed itself."""
    cases = []
    for turn, (entity, places) in enumerate(passed.items()):
        for number, place in enumerate(p for p in places if not p.point.startswith("relay.")):
            cases += [
                Case(workflow, entity, strike, place)
                for strike in strikes_at(place, STRIKES)
                if (strike == "kill" and place.point.startswith(ABLE))
                or (number + STRIKES.index(strike)) % len(passed) == turn
            ]
    return cases


def _bells(workflow: str, rung: int, entities: Iterator[str]) -> list[Case]:
    """Each bell lost once; all repeated, most lost, and some orders that nobody chose."""
    lost = [Case(workflow, next(entities), "lose", nth_bell=n) for n in range(rung)]
    others = [
        Case(workflow, entity, strike) for strike in ("repeat", "mute") for entity in ENTITIES
    ]
    mixed = [Case(workflow, next(entities), "shuffle", nth_bell=seed) for seed in range(10)]
    return lost + others + mixed


def _answers(workflow: str, writes: Sequence[tuple[str, str]]) -> list[Answer]:
    return [
        Answer(workflow, entity, role, operation, kind)
        for role, operation in writes
        for kind in FAULTS
        for entity in ENTITIES
        if kind != "differs" or operation in WITH_AMOUNTS
    ]


def _recoveries(
    hub: Hub, deals: Deals, workflow: str, writes: Sequence[tuple[str, str]]
) -> list[Case]:
    """Strikes at lookups, which only a lost answer brings about."""
    cases = []
    for role, operation in writes:
        if operation == "tax.quote":
            continue
        planted = (role, operation, "apply_then_timeout")
        case = Case(workflow, "LKP1", "none", planted=planted)
        places, _ = trace(hub, deals, case)
        for place in (p for p in places if p.point.startswith("lookup.")):
            cases += [
                Case(workflow, "LKP1", strike, place, planted=planted)
                for strike in strikes_at(place, STRIKES)
            ]
    return cases


def sample(plan: Plan, seed: int) -> Plan:
    """A part that still meets every failpoint, every step, every strike, every write, every kind
    of answer, and the unanswered ones at every capability."""
    chance = Random(seed)
    cases, answers = list(plan.cases), list(plan.answers)
    chance.shuffle(cases)
    chance.shuffle(answers)
    return Plan(
        _cover(cases, _met_by_case),
        _cover(answers, _met_by_answer),
        plan.batches[:1],
    )


def _met_by_answer(answer: Answer) -> set[object]:
    met: set[object] = {(answer.workflow, answer.operation), answer.kind}
    return met | ({(answer.entity, answer.kind)} if answer.kind in UNANSWERED else set())


def _met_by_case(case: Case) -> set[object]:
    met: set[object] = {case.strike, case.entity}
    if case.place:
        met.add(case.place.point)
        met |= {(case.workflow, step) for step in case.place.steps}
    return met


def _cover(items: Sequence[object], met_by: object) -> list:  # type: ignore[type-arg]
    """Greedily, in the given order: whatever meets something that nothing before it met."""
    met: set[object] = set()
    chosen = []
    for item in items:
        new = met_by(item) - met  # type: ignore[operator]
        if new:
            met |= new
            chosen.append(item)
    return chosen


def run_answers(
    hub: Hub, deals: Deals, answers: Sequence[Answer]
) -> Iterator[tuple[Answer, Breach]]:
    """Contracts side by side, each with one fault of its own; yields what broke, by fault."""
    by_workflow: dict[tuple[str, bool], list[Answer]] = {}
    for answer in answers:
        by_workflow.setdefault((answer.workflow, answer.kind == "differs"), []).append(answer)
    for (_, differs), same in by_workflow.items():
        for start in range(0, len(same), SET):
            yield from _run_set(hub, deals, same[start : start + SET], differs=differs)


def _run_set(
    hub: Hub, deals: Deals, answers: Sequence[Answer], *, differs: bool
) -> Iterator[tuple[Answer, Breach]]:
    mine = [(deals.for_workflow(answer.workflow, answer.entity), answer) for answer in answers]
    mark = Mark.now(hub)
    planted = [_aim(hub, deal, answer) for deal, answer in mine]
    for deal, answer in mine:
        hub.post(STARTS[answer.workflow](deal))
    hub.settle()
    while hub.resume_paused():
        hub.settle()
    breaches = [b for b in check(hub, mark) if b.invariant != "I8"]
    breaches += _unasked(mine, planted)
    for _ in range(4):
        if not resolve_open(hub):
            break
        hub.settle()
    if not differs:
        breaches += [b for b in check(hub, mark) if b not in breaches]
    for breach in breaches:
        yield _culprit(hub, breach, mine), breach


def _aim(hub: Hub, deal: Deal, answer: Answer) -> Fault:
    fault = Fault(
        platform_of(deal.entity, answer.role), answer.operation, answer.kind, f"{deal.number:06d}"
    )
    hub.platforms.faults.append(fault)
    return fault


def _unasked(mine: Sequence[tuple[Deal, Answer]], planted: Sequence[Fault]) -> list[Breach]:
    """Faults that did not strike, and differing documents that nobody was asked about."""
    breaches = [
        Breach("case", f"{deal.number:06d}", f"{answer.name} was not met")
        for (deal, answer), fault in zip(mine, planted, strict=True)
        if not fault.struck
    ]
    asked = " ".join(
        ExceptionCase.objects.filter(state__in=OPEN_STATES, code="amount_incident").values_list(
            "document", flat=True
        )
    )
    return breaches + [
        Breach("I3", f"{deal.number:06d}", f"{answer.name}: nobody was told of the difference")
        for deal, answer in mine
        if answer.kind == "differs" and f"{deal.number:06d}" not in asked
    ]


def _culprit(hub: Hub, breach: Breach, mine: Sequence[tuple[Deal, Answer]]) -> Answer:
    """Whose fault a breach most likely is: the contract that its document names."""
    texts = [breach.subject] + [
        str(entry.payload) for entry in hub.platforms.entries if entry.reference == breach.subject
    ]
    for deal, answer in mine:
        if any(f"{deal.number:06d}" in text for text in texts):
            return answer
    return mine[0][1]


def run_batch_case(hub: Hub, deals: Deals, strike: str) -> list[Breach]:
    """A bulk retry of refused documents is struck between its sets; each is sent once."""
    chosen = [deals.booked("KEY1") for _ in range(25)]
    mark = Mark.now(hub)
    for deal in chosen:
        _aim(hub, deal, Answer("invoice_posting", "KEY1", "erp", "invoice.create", "reject"))
        hub.post(deal.invoice())
    hub.settle()
    cases = list(ExceptionCase.objects.filter(state__in=OPEN_STATES).values_list("id", flat=True))
    batch = start_batch(
        cases, Batch.Kind.RETRY, principal=person("maker"), now=utc_now(),
        idempotency_key=f"layer-a-{mark.posting}",
        expected_count=len(cases_by_id(person("maker"), cases)),
    )  # fmt: skip
    place = Place("batch.between_items", 1, (), in_transaction=False)
    case = Case("invoice_posting", "KEY1", strike, place)
    hit = Strike(hub, case)
    with armed(hit):
        hub.settle()
    breaches = [] if hit.struck else [Breach("case", case.name, "the batch did not pass here")]
    batch = Batch.objects.get(id=batch.id)
    if (batch.state, batch.succeeded) != ("finished", len(chosen)):
        words = f"{batch.state} with {batch.succeeded} of {len(chosen)} done"
        breaches.append(Breach("I8", batch.code, words))
    return breaches + finish(hub, case, mark)


def run_plan(hub: Hub, deals: Deals, plan: Plan) -> Iterator[tuple[str, Breach | None]]:
    """Run everything; yields each fault's name with each breach, or with None when all held."""
    for case in plan.cases:
        yield from _named(case.name, _run_or_give_up(hub, deals, case))
    for strike in plan.batches:
        yield from _named(f"batch {strike}", run_batch_case(hub, deals, strike))
    broken_answers = {}
    for answer, breach in run_answers(hub, deals, plan.answers):
        broken_answers[answer] = breach
        yield answer.name, breach
    yield from ((a.name, None) for a in plan.answers if a not in broken_answers)


def _run_or_give_up(hub: Hub, deals: Deals, case: Case) -> list[Breach]:
    """A case that never comes to rest is a breach, and must not spoil the next one."""
    try:
        return run_case(hub, deals, case)
    except NeverAtRestError as error:
        hub.abandon()
        return [Breach("I8", case.name, str(error))]


def _named(name: str, breaches: Sequence[Breach]) -> list[tuple[str, Breach | None]]:
    return [(name, breach) for breach in breaches] or [(name, None)]
