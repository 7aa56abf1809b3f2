"""A zombie is a worker that begins no task for a time in which it was rung for throughout."""

from q2c.stack.liveness import Liveness


class Beats:
    """Heartbeats' ages as the database would give them at a moment of our clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at: dict[str, float] = {}

    def ages(self) -> dict[str, float]:
        return {name: self.now - at for name, at in self.at.items()}


def watch(beats: Beats, until: float, *alive: str) -> list[tuple[float, list[str]]]:
    """Look every 5 s with the named ones beating; return when zombies were found."""
    liveness = Liveness(beats.ages, patience=100)
    found = []
    while beats.now <= until:
        beats.at.update(dict.fromkeys(alive, beats.now))
        zombies = liveness.zombies(["worker", "lanes"], beats.now)
        if zombies:
            found.append((beats.now, zombies))
        beats.now += 5
    return found


def test_a_silent_worker_is_found_after_the_patience_and_the_other_is_left():
    found = watch(Beats(), 110, "bells", "lanes")
    assert found == [(100.0, ["worker"]), (105.0, ["worker"]), (110.0, ["worker"])]


def test_working_workers_are_left():
    assert watch(Beats(), 300, "bells", "lanes", "worker") == []


def test_nobody_is_blamed_while_the_broker_is_away():
    assert watch(Beats(), 300) == []


def test_the_patience_begins_when_bells_are_rung_again():
    beats = Beats()
    beats.at = {"worker": 0.0, "lanes": 0.0}
    beats.now = 600.0
    assert watch(beats, 695, "bells", "lanes") == []


def test_a_worker_that_was_started_anew_has_its_time_again():
    beats = Beats()
    liveness = Liveness(beats.ages, patience=100)
    zombies: list[str] = []
    for beats.now in range(0, 101, 5):
        beats.at["bells"] = beats.now
        zombies = liveness.zombies(["worker"], beats.now)
    assert zombies == ["worker"]
    liveness.forget("worker")
    for beats.now in range(105, 200, 5):
        beats.at["bells"] = beats.now
        assert liveness.zombies(["worker"], beats.now) == []
