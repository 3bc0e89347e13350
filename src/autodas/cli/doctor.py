"""``autodas doctor``: what is there, whether it works, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass

from autodas.cli._output import print_facts
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.flags import with_flags
from autodas.installation import Finding, examine
from autodas.terminal import message


@dataclass(frozen=True)
class DoctorConfig:
    """Examine the installation: what is there, whether it works, what is missing and what that costs.

    Libraries, kernels, drawings and videos are tried on something small; nothing is downloaded. The exit code
    is 1 if something is broken that autodas cannot do without. The output belongs in every bug report.

    Args:
        json: print the findings as JSON.
    """

    json: bool = False


USAGES = (Usage("doctor", DoctorConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = _configuration(argv)
    findings = []
    for finding in examine():
        findings.append(finding)
        if not config.json:
            print(f"{finding.state:7}  {finding.part:14}  {message(with_flags(finding.text))}", flush=True)
    broken = [finding.part for finding in findings if finding.state == "broken"]
    if config.json:
        print_facts({"works": not broken, "findings": findings}, as_json=True)
    else:
        print(_summary(findings, broken))
    return 1 if broken else 0


def _configuration(argv: list[str]) -> DoctorConfig:
    """Return the configuration, also where a library that reads command lines is missing or broken."""
    try:
        return USAGES[0].parse(argv)
    except AutodasError:
        raise
    except Exception:
        return DoctorConfig(json="--json" in argv)


def _summary(findings: list[Finding], broken: list[str]) -> str:
    if broken:
        return f"autodas does not work here: {', '.join(broken)}"
    limited = sum(finding.state == "limited" for finding in findings)
    return "autodas works here" + (f", with less in {limited} parts, see above" if limited else "")
