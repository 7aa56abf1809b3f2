"""``python -m benchmarks.faults --tier ci|milestone|release --seed N`` (``make faults``)."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.faults.outcome import figures, summary
from benchmarks.faults.page import write_page
from benchmarks.faults.plan import TIERS, Tier, chunk_seed
from benchmarks.faults.run import Chunk, check_plan, run_chunk, say
from benchmarks.report import report
from q2c.stack.errors import Interrupted, StackError
from q2c.stack.layout import REPOSITORY

HOME = REPOSITORY / ".run-faults"


def commit() -> str:
    """The commit that is tested; with the digest of what was changed since, when anything was."""
    head = _git("rev-parse", "HEAD").strip()[:12]
    changes = _git("diff", "HEAD") + _git("status", "--porcelain")
    if not changes:
        return head
    return f"{head}-changed-{hashlib.sha256(changes.encode()).hexdigest()[:8]}"


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout


def chunks_of(tier: Tier, seed: int, options: argparse.Namespace) -> list[Chunk]:
    """The chunks of a run; the sizes can be given for a trial."""
    transactions, faults = tier.share()
    transactions = options.transactions or transactions
    faults = options.faults or faults
    return [
        Chunk(number, chunk_seed(seed, number), transactions, faults, tier.at_once, options.only)
        for number in range(tier.chunks)
    ]


def play(chunks: list[Chunk], folder: Path) -> list[dict[str, Any]]:
    """Run the chunks that are not there yet; each is kept as soon as it is over."""
    folder.mkdir(parents=True, exist_ok=True)
    played = []
    for chunk in chunks:
        file = folder / f"chunk-{chunk.number:02d}.json"
        if not file.exists():
            result = run_chunk(chunk, str(HOME / "stack"))
            draft = file.with_suffix(".new")
            draft.write_text(json.dumps(result, indent=1, default=str))
            draft.replace(file)
        else:
            say(f"chunk {chunk.number}: played before at this commit")
        played.append(json.loads(file.read_text()))
    return played


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, write the report, print the figures; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults")
    parser.add_argument("--tier", choices=TIERS, default="ci")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transactions", type=int, default=0, help="of a chunk, for a trial")
    parser.add_argument("--faults", type=int, default=0, help="of a chunk, for a trial")
    parser.add_argument("--only", default="", help="families and kinds, with commas, for a trial")
    options = parser.parse_args(argv)
    tier, tested = TIERS[options.tier], commit()
    trial = "-".join(
        str(part) for part in (options.transactions, options.faults, options.only) if part
    )
    name = "-".join(part for part in (tested, tier.name, str(options.seed), trial) if part)
    say(f"{tier.name} tier, seed {options.seed}, commit {tested}")
    try:
        check_plan(options.only)
        played = play(chunks_of(tier, options.seed, options), HOME / "chunks" / name)
    except StackError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except Interrupted as interrupted:
        say("Stopped; the chunks that are over are kept, the same command goes on.")
        return interrupted.exit_code
    whole = summary(played, tier=tier.name, seed=options.seed, commit=tested)
    folder = HOME / "report"
    folder.mkdir(exist_ok=True)
    (folder / "faults.json").write_text(json.dumps({**whole, "chunks": played}, indent=1))
    write_page(folder / "index.html", whole, played)
    say(f"report: {folder / 'index.html'}")
    return report(figures(whole))


if __name__ == "__main__":
    sys.exit(main())
