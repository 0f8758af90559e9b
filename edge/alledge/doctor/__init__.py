"""`alledge doctor`: what goes wrong on a Pi, each looked for and named with the command that mends it.

`probe` is the only way to the machine, so tests put any fault into it; the modules `camera`, `software`,
`machine`, `storage`, `service` and `data` hold the checks, one small function each, that read facts and judge
them; `examination` runs all of them at once within five seconds.
"""

from alledge.doctor.examination import CHECKS, Examined, examine
from alledge.doctor.finding import Check, Finding, Level
from alledge.doctor.probe import Probe, probe_of_this_machine

__all__ = ["CHECKS", "Check", "Examined", "Finding", "Level", "Probe", "examine", "probe_of_this_machine"]
