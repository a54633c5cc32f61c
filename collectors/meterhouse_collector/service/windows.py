"""A scheduled task of the user (Windows): started at logon, restarted after a failure, at background priority, without a window."""

import os
import subprocess
from typing import Mapping
from xml.sax.saxutils import escape

from meterhouse_collector.service import ABOUT, Job, Plan

TASK = "Meterhouse Collector"
TEMPLATE = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{about}</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>{user_id}
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">{user_id}
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>true</Hidden>
    <Priority>8</Priority>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>255</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{words}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


def plan(job: Job, environment: Mapping[str, str]) -> Plan:
    """The XML lies beside the settings; schtasks keeps its own copy."""
    path = job.state / "meterhouse-collector.xml"
    user = "\\".join(filter(None, (environment.get("USERDOMAIN"), environment.get("USERNAME"))))
    return Plan(
        path,
        task(job, user),
        "utf-16",
        start=(("schtasks", "/Create", "/TN", TASK, "/XML", str(path), "/F"), ("schtasks", "/Run", "/TN", TASK)),
        stop=(("schtasks", "/End", "/TN", TASK), ("schtasks", "/Delete", "/TN", TASK, "/F")),
        logs=f'schtasks /Query /TN "{TASK}" /V',
    )


def task(job: Job, user: str) -> str:
    """The task's text. Priority 8 is below normal for processor, disk and memory; a task knows no quota."""
    program, *words = job.command
    folder, name = os.path.split(program)
    if name.lower() == "python.exe":  # its sister without a console window
        program = os.path.join(folder, "pythonw.exe")
    user_id = f"\n      <UserId>{escape(user)}</UserId>" if user else ""
    words = escape(subprocess.list2cmdline(words))
    return TEMPLATE.format(about=escape(ABOUT), user_id=user_id, program=escape(program), words=words)
