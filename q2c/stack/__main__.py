"""``python -m q2c.stack``."""

import sys

from q2c.stack.cli import main

sys.exit(main())
