"""A systemd user unit: hardened, restarted after a failure, and so limited that a laptop never notices it."""

import os
from typing import Mapping

from meterhouse_collector.service import ABOUT, NAME, Job, Plan

UNIT = f"{NAME}.service"


def plan(job: Job, environment: Mapping[str, str]) -> Plan:
    """Below ~/.config/systemd/user."""
    folder = environment.get("XDG_CONFIG_HOME") or os.path.join(job.home, ".config")
    path = job.home.__class__(folder) / "systemd" / "user" / UNIT
    user = ("systemctl", "--user")
    return Plan(
        path,
        unit(job),
        "utf-8",
        start=((*user, "daemon-reload"), (*user, "enable", UNIT), (*user, "restart", UNIT)),
        stop=((*user, "disable", "--now", UNIT), (*user, "daemon-reload")),
        logs=f"journalctl --user -u {NAME}",
    )


def unit(job: Job) -> str:
    """The unit's text. ReadWritePaths would need the spool's place to exist at every start, so system folders are closed instead.

    Sandboxing that needs namespaces (PrivateTmp, ProtectHome) is left out: many distributions refuse it to users, and the
    unit would not start there.
    """
    return f"""\
[Unit]
Description={ABOUT}
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=simple
ExecStart={" ".join(map(quoted, job.command))}
Restart=on-failure
RestartSec=30
# 75: another collector holds the spool; 2: a wrong argument
RestartPreventExitStatus=2 75
TimeoutStopSec=20
UMask=0077
Nice=10
IOSchedulingClass=idle
CPUQuota=25%
CPUWeight=20
MemoryHigh=256M
MemoryMax=512M
TasksMax=32
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def quoted(word: str) -> str:
    """One word of ExecStart: % names a specifier there and $ a variable, also between quotes."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
