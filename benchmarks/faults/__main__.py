import json, sys
from benchmarks.faults.run import Chunk, run_chunk

r = run_chunk(
    Chunk(
        0,
        int(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        sys.argv[4] if len(sys.argv) > 4 else "",
    ),
    ".run-faults/stack",
)
open(".run-faults/last.json", "w").write(json.dumps(r, indent=1, default=str))
