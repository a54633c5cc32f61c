"""An agent for tests: writes down how it was started, then does what FAKE_AGENT says."""

import json
import os
import signal
import sys
import time

facts = {
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "pid": os.getpid(),
    "terminal": [os.isatty(number) for number in (0, 1, 2)],
    "sigpipe": str(signal.getsignal(signal.SIGPIPE)),
    "sighup": str(signal.getsignal(signal.SIGHUP)),
    "sigint": str(signal.getsignal(signal.SIGINT)),
}
with open(os.environ["FAKE_REPORT"], "w", encoding="utf-8") as file:
    json.dump(facts, file)
order = os.environ.get("FAKE_AGENT", "")
if order == "echo":
    sys.stdout.write(sys.stdin.read().upper())
    sys.stderr.write("told on stderr\n")
elif order == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
    print("ready", flush=True)
    while True:
        time.sleep(0.02)
elif order == "die":
    os.kill(os.getpid(), signal.SIGKILL)
elif order.isdecimal():
    sys.exit(int(order))
