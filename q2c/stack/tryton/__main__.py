"""``python -m q2c.stack.tryton [PURPOSE]``: a Tryton server in the foreground."""

import os
import sys

from q2c.stack.errors import Interrupted, StackError
from q2c.stack.tryton.server import serve


def main() -> int:
    """Serve until a signal comes; return the exit code."""
    try:
        purpose = sys.argv[1] if len(sys.argv) > 1 else "make erp"
        return serve(os.environ.get("Q2C_ERP_DIR", ".run-erp"), purpose)
    except StackError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except Interrupted as interrupted:
        return interrupted.exit_code


sys.exit(main())
