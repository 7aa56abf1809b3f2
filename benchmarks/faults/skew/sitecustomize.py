"""Python reads this at its start when the folder is on its path: the process's clock is wrong by
Q2C_SKEW_SECONDS. Used where the libfaketime library is not installed.
"""

import datetime as dt
import os

import time_machine

_there = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(os.environ["Q2C_SKEW_SECONDS"]))
time_machine.travel(_there, tick=True).start()
