"""A launchd agent of the user (macOS): started at login, restarted after a failure, at background priority."""

import os
import plistlib
from typing import Mapping

from meterhouse_collector.service import Job, Plan

LABEL = "org.meterhouse.collector"


def plan(job: Job, environment: Mapping[str, str]) -> Plan:
    """Below ~/Library/LaunchAgents."""
    path = job.home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    domain = f"gui/{os.getuid() if hasattr(os, 'getuid') else 0}"
    return Plan(
        path,
        property_list(job),
        "utf-8",
        start=(("launchctl", "bootout", f"{domain}/{LABEL}"), ("launchctl", "bootstrap", domain, str(path))),
        stop=(("launchctl", "bootout", f"{domain}/{LABEL}"),),
        logs=f"less {log_of(job)}",
    )


def property_list(job: Job) -> str:
    """The property list's text. launchd has no quota: Background throttles processor and disk, the limit bounds memory."""
    content = {
        "Label": LABEL,
        "ProgramArguments": list(job.command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 30,
        "ExitTimeOut": 20,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
        "Umask": 0o077,
        "SoftResourceLimits": {"NumberOfFiles": 1024},
        "HardResourceLimits": {"ResidentSetSize": 512 << 20},
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": log_of(job),
    }
    return plistlib.dumps(content, sort_keys=False).decode("utf-8")


def log_of(job: Job) -> str:
    """Where narration goes; it holds counts and addresses, no content."""
    return str(job.state / "collector.log")
