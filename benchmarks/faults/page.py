"""The report as one page without scripts: words, tables, and charts drawn as SVG."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.faults.outcome import figures, has_struck

WORDS = {
    "I1": "What was accepted is kept and goes its whole way, or a person has it",
    "I2": "One document for each posting: never none, never two",
    "I3": "Sums agree to the minor unit, by currency and legal entity; the books balance",
    "I4": "Versions rise and documents follow in the order they were meant",
    "I5": "A write under a lost lease is refused",
    "I6": "Every change is signed and logged; the hash chain is whole",
    "I7": "The log of changes folds to the state as it stands",
    "I8": "Recovered within 30 s (p95) and 60 s (all)",
    "I9": "Nothing stays being sent or unknown without a person who knows",
    "I10": "Connections, memory and backlog return to what they were",
    "I11": "An outage is not answered with a storm of calls",
    "I12": "Nothing forged, old or oversized is ever let in",
}
STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d5dbe3;--paper:#fff;
--pane:#f5f7fa;--mark:#2f6fb5;--good:#1c7c4a;--bad:#b3261e;--zone:#e6f2ea}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9f0;--soft:#9aa6b5;--line:#364150;
--paper:#141a22;--pane:#1c242e;--mark:#7db3ee;--good:#5fc48d;--bad:#ff8a80;--zone:#1c3327}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
margin:0 auto;max-width:70rem;padding:2rem 1.5rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}p{margin:.3rem 0}
table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.bad{color:var(--bad)}.soft{color:var(--soft)}
code{font-size:.85em;word-break:break-all}
svg{display:block;width:100%;height:auto;background:var(--pane);border-radius:6px}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}svg .soft{fill:var(--soft)}
details>summary{cursor:pointer;margin:.5rem 0}
"""


def write_page(path: Path, whole: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]]) -> None:
    """Write the page of a run."""
    parts = [
        _head(whole), _figures(whole), _invariants(whole, chunks), _recovery(whole),
        _sometimes(whole), _chunks(chunks), _log(chunks), _hashes(chunks), _versions(whole),
    ]  # fmt: skip
    path.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width'>"
        f"<title>Fault campaign, seed {whole['seed']}</title><style>{STYLE}</style>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _head(whole: Mapping[str, Any]) -> str:
    made = sum(whole["transactions"].values())
    mix = ", ".join(f"{count} {kind}s" for kind, count in whole["transactions"].items())
    asked = whole["asked"]
    return (
        f"<h1>Fault campaign: {escape(whole['tier'])} tier, seed {whole['seed']}</h1>"
        f"<p class=soft>Commit <code>{escape(whole['commit'])}</code>, written "
        f"{escape(whole['written_at'])}</p>"
        f"<p>{made} transactions ({mix}) and {whole['struck']} faults that struck; asked for were "
        f"{asked['transactions']} and {asked['faults']}.</p>"
    )


def _figures(whole: Mapping[str, Any]) -> str:
    rows = [
        (figure.name, str(figure.value), figure.unit, figure.target, _met(met=figure.is_met))
        for figure in figures(whole)
    ]
    return "<h2>Figures</h2>" + _table(("Figure", "Value", "", "Target", ""), rows, numeric={1})


def _met(*, met: bool) -> str:
    return "<span class=good>met</span>" if met else "<span class=bad>missed</span>"


def _invariants(whole: Mapping[str, Any], chunks: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for name, words in WORDS.items():
        count = whole["broken"].get(name, 0)
        if name == "I8":
            count = int(whole["recovery_p95_s"] > 30) + int(whole["recovery_max_s"] > 60)
        state = (
            f"<span class=bad>broken {count}×</span>" if count else "<span class=good>held</span>"
        )
        rows.append((name, escape(words), state))
    breaches = [
        (str(chunk["chunk"]), b["invariant"], escape(b["subject"]), escape(b["words"]))
        for chunk in chunks
        for b in chunk["breaches"]
    ]
    shown = _table(("Chunk", "", "What", "How"), breaches) if breaches else ""
    return "<h2>Invariants</h2>" + _table(("", "What must hold", ""), rows) + shown


def _recovery(whole: Mapping[str, Any]) -> str:
    """A row for each kind of fault: a dot for each recovery on a common axis of seconds."""
    kinds = whole["recovery"]
    longest = max(60.0, *(found["max"] for found in kinds.values())) if kinds else 60.0
    left, width, step = 250, 560, 22
    height = len(kinds) * step + 46

    def x(seconds: float) -> float:
        return round(left + width * seconds / longest, 1)

    parts = [
        f"<rect x={left} y=10 width={x(30) - left} height={height - 40} fill='var(--zone)'/>",
        f"<line x1={x(60)} x2={x(60)} y1=10 y2={height - 30} stroke='var(--bad)' "
        "stroke-dasharray='4 4'/>",
    ]
    for number, (kind, found) in enumerate(kinds.items()):
        y = 10 + number * step + step / 2
        parts.append(f"<text x=10 y={y + 4}>{escape(kind)}</text>")
        parts.append(f"<line x1={left} x2={left + width} y1={y} y2={y} stroke='var(--line)'/>")
        parts += [
            f"<circle cx={x(seconds)} cy={y} r=4 fill='var(--mark)' fill-opacity=.55>"
            f"<title>{seconds} s</title></circle>"
            for seconds in found["times"]
        ]
        parts.append(
            f"<text class=soft x={left + width + 12} y={y + 4}>{found['count']}× p95 "
            f"{found['p95']:.1f} s, max {found['max']:.1f} ({found['plain_max']:.1f}) s</text>"
        )
    parts += [
        f"<text class=soft x={x(tick)} y={height - 12} text-anchor=middle>{tick} s</text>"
        for tick in range(0, int(longest) + 1, 10)
    ]
    return (
        "<h2>Recovery by kind of fault</h2><p class=soft>Seconds from the end of a fault until "
        "all that the hub owed then had come to rest, less the time in which the circuit of a "
        "platform rested that was struck; in brackets with that time. Over all faults with it: "
        f"p95 {whole['plain_p95_s']:.1f} s, max {whole['plain_max_s']:.1f} s. Green: within 30 s. "
        "Dashed: 60 s.</p>"
        f"<svg viewBox='0 0 1000 {height}' role=img aria-label='Recovery times'>{''.join(parts)}"
        "</svg>" + _histogram(whole)
    )


def _histogram(whole: Mapping[str, Any]) -> str:
    """How many faults recovered within each five seconds."""
    times = [t for found in whole["recovery"].values() for t in found["times"]]
    bins = [0] * (int(max([60.0, *times]) // 5) + 1)
    for seconds in times:
        bins[int(seconds // 5)] += 1
    most, width = max([1, *bins]), 900 / len(bins)
    bars = []
    for number, count in enumerate(bins):
        tall = 120 * count / most
        x = 50 + number * width
        bars.append(
            f"<rect x={x:.1f} y={140 - tall:.1f} width={width - 4:.1f} height={tall:.1f} "
            "fill='var(--mark)'/>"
            f"<text class=soft x={x + width / 2:.1f} y=158 text-anchor=middle>{number * 5}</text>"
        )
        if count:
            bars.append(
                f"<text x={x + width / 2:.1f} y={134 - tall:.1f} text-anchor=middle>{count}</text>"
            )
    return (
        "<p class=soft>All faults by seconds until recovery:</p>"
        f"<svg viewBox='0 0 1000 170' role=img aria-label='Histogram'>{''.join(bars)}</svg>"
    )


def _sometimes(whole: Mapping[str, Any]) -> str:
    rows = [
        (escape(name.replace("_", " ")), str(row["met"]), str(row["least"]),
         _met(met=row["met"] >= row["least"]))
        for name, row in whole["sometimes"].items()
    ]  # fmt: skip
    table = _table(("Counter", "Met", "At least", ""), rows, numeric={1, 2})
    return "<h2>What must have happened for this to mean anything</h2>" + table


def _chunks(chunks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (str(c["chunk"]), str(c["seed"]), str(sum(c["transactions"].values())),
         str(len(c["faults"])), f"{c['all_s']:.0f} s", str(c["restarts"]), str(c["fired"]),
         escape(", ".join(f"{n} {what}" for what, n in c["people"].items() if what != "refused")))
        for c in chunks
    ]  # fmt: skip
    head = ("Chunk", "Seed", "Transactions", "Faults", "Took", "Restarts", "Failpoints", "People")
    return "<h2>Chunks</h2>" + _table(head, rows, numeric={0, 1, 2, 3, 4, 5, 6})


def _log(chunks: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for chunk in chunks:
        for fault in chunk["faults"]:
            what = {k: v for k, v in fault["what"].items() if k != "kind"}
            notes = {k: v for k, v in fault["notes"].items() if k != "fired"}
            notes["fired"] = len(fault["notes"].get("fired", [])) or None
            words = ", ".join(f"{k} {v}" for k, v in {**what, **notes}.items() if v is not None)
            rows.append(
                (f"{chunk['chunk']}.{fault['number'] + 1}", fault["at"][11:19],
                 escape(fault["kind"]), escape(words), f"{fault['lasted_s']:.1f}",
                 str(fault["owed"]), f"{fault['recovery_s']:.1f}", f"{fault['plain_s']:.1f}",
                 "yes" if has_struck(fault["notes"]) else "<span class=bad>no</span>")
            )  # fmt: skip
    head = ("No", "At", "Fault", "What", "Lasted s", "Owed", "Recovered s", "with circuit s",
            "Struck")  # fmt: skip
    table = _table(head, rows, numeric={4, 5, 6, 7})
    return f"<h2>Fault log</h2><details><summary>{len(rows)} faults</summary>{table}</details>"


def _hashes(chunks: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (str(chunk["chunk"]), escape(side), f"<code>{digest}</code>")
        for chunk in chunks
        for side, digest in chunk["ledgers"].items()
    ]
    head = ("Chunk", "Ledger", "SHA-256")
    table = _table(head, rows)
    return f"<h2>Ledgers</h2><details><summary>Hashes</summary>{table}</details>"


def _versions(whole: Mapping[str, Any]) -> str:
    rows = [(escape(name), escape(number)) for name, number in whole["versions"].items()]
    return "<h2>Versions</h2>" + _table(("", ""), rows)


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numeric: Collection[int] = ()
) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(
            f"<{tag}{' class=n' if n in numeric else ''}>{cell}</{tag}>"
            for n, cell in enumerate(cells)
        ) + "</tr>"  # fmt: skip

    return f"<table>{row(head, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"
