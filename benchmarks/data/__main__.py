"""``make bench-data``: template databases with 10,000 and TRANSACTIONS (1,000,000) postings.

Made beside the sales of ``benchmarks.data.story`` on the same server, once; benchmarks copy them.
"""

import sys

from benchmarks.data.templates import LARGE, SMALL, make


def main() -> int:
    for transactions in (SMALL, LARGE):
        make(transactions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
