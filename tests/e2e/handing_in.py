"""Stands for init: a socket at descriptor 3, its name in the environment, then the relay itself.

    python handing_in.py DESCRIPTOR PROGRAM...

LISTEN_PID is this process's own number, which the program keeps across exec. Standard library only.
"""

import os
import sys

FIRST = 3  # where systemd's protocol has the first socket

descriptor = int(sys.argv[1])
if descriptor == FIRST:
    os.set_inheritable(FIRST, True)
else:
    os.dup2(descriptor, FIRST)
    os.close(descriptor)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_FDNAMES"] = "smtp"
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ.pop("WATCHDOG_PID", None)
os.execv(sys.argv[2], sys.argv[2:])
