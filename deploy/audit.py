"""Audits what the project is made of: `make audit`, or one part of it.

    python deploy/audit.py [advisories] [sbom] [secrets [--of FILE …]]

Here: whether a locked version has a known weakness (pip-audit), what is inside (an SBOM in
CycloneDX's format, build/sbom.cdx.json), and whether a secret lies in the tree (detect-secrets).
Not here: the workflows (zizmor) and the code (ruff's S rules), which `make lint` looks at.

The advisories come from OSV over the network. Where it cannot be asked, that is said, and it fails:
an audit that did not happen is none. AUDIT=if-possible lets it pass, for a laptop on a train.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SBOM = ROOT / "build" / "sbom.cdx.json"
OSV = "https://api.osv.dev/v1/query"
# A version that every advisory database knows to be weak (CVE-2020-14343). One that finds nothing
# here has not been asked: a proxy that answers "no" to everything looks just like a clean bill.
KNOWN_WEAK = "pyyaml==5.3.1"
# What only looks like a secret, as patterns of the whole value, with why it is none. One line alone
# is let off by the comment "pragma: allowlist nextline secret" above it.
NO_SECRETS = {
    "true|false": "says whether there is one",
    r"arn:.*|[!{].*|.*\}\}|GetSecretValue": "where, or how, one is found",
    r"(?!BEGIN )\S+ .*": "a sentence about one",
    "[A-Z]+(_[A-Z]+)+": "the name of a variable that holds one",
    "any|local|not-asked-for": "keys for servers on this machine, which check none",
    "first|second": "passwords of a database that a test starts",
    "secret|canary-4711|hunter22": "planted by tests, which look for where they turn up",
    "pw12|AKIAABCDEFGHIJKLMNOP": "examples of what logs strike out",
    "3f4afb45d1631e50": "a fingerprint, in a doctest",
}


@dataclass(frozen=True)
class Verdict:
    """What an audit found; ``asked`` is False when there was nobody to ask."""

    findings: tuple[str, ...] = ()
    asked: bool = True
    said: str = ""


@dataclass(frozen=True)
class LetThrough:
    """An advisory that is known and let through, until a day, for a reason."""

    id: str
    reason: str
    until: date


def let_through(path: Path) -> tuple[LetThrough, ...]:
    """Those of a TOML file: ``[[advisory]]`` with id, reason and until (a date)."""
    declared = tomllib.loads(path.read_text()).get("advisory", [])
    return tuple(LetThrough(each["id"], each["reason"], each["until"]) for each in declared)


def advisories(
    locks: Sequence[Path], *, osv: str = OSV, accepted: Sequence[LetThrough] = ()
) -> Verdict:
    """Ask about every pinned version of the locks, and about one that is known to be weak."""
    with tempfile.TemporaryDirectory() as scratch:
        weak = Path(scratch, "weak.txt")
        weak.write_text(KNOWN_WEAK)
        control, said = _pip_audit(weak, osv, "--no-deps")
    if not any(found["vulns"] for found in control):
        said = f"{osv}: {said}" if said else f"{osv} knows nothing of {KNOWN_WEAK}"
        return Verdict(asked=False, said=said)
    answers = {}
    for lock in locks:
        answers[lock.name], said = _pip_audit(lock, osv, "--require-hashes")
        silent = [each["name"] for each in answers[lock.name] if "skip_reason" in each]
        if silent or not answers[lock.name]:
            said = said or f"no answer about {', '.join(silent)}"
            return Verdict(asked=False, said=f"{osv}: {lock.name}: {said}")
    return judged(answers, accepted)


def judged(
    answers: Mapping[str, Sequence[Mapping[str, Any]]], accepted: Sequence[LetThrough]
) -> Verdict:
    """What pip-audit answered for each lock, less what is let through today."""
    today = datetime.now(UTC).date()
    standing = {each.id for each in accepted if today <= each.until}
    findings = [
        f"{each.id} was let through until {each.until}: {each.reason}. Look again"
        for each in accepted
        if each.id not in standing
    ]
    findings += [
        f"{lock}: {package['name']} {package['version']}: {weakness['id']}, mended in "
        f"{', '.join(weakness['fix_versions']) or 'no version yet'}"
        for lock, packages in answers.items()
        for package in packages
        for weakness in package["vulns"]
        if standing.isdisjoint({weakness["id"], *weakness["aliases"]})
    ]
    return Verdict(tuple(findings), said=f"{len(answers)} locks")


def _pip_audit(requirements: Path, osv: str, *options: str) -> tuple[list[dict], str]:
    """pip-audit's answer for each package; when it has none, why."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("pip-audit")), "--disable-pip", *options),
            *("--requirement", str(requirements), "--vulnerability-service", "osv"),
            *("--osv-url", osv, "--format", "json", "--aliases", "on", "--progress-spinner", "off"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        # Of a connection that failed, the reason is inside three others.
        reason = re.search(r"Failed to [^\"]*", said)
        return [], reason[0] if reason else said


def sbom(lock: Path, target: Path) -> Verdict:
    """Write what the lock pins, with hashes, as CycloneDX; the same lock gives the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", str(lock)),
            *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"),
            *("--output-reproducible", "--output-file", str(target)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return Verdict((done.stderr.strip(),))
    return Verdict(said=f"{len(json.loads(target.read_text())['components'])} parts in {target}")


def secrets(root: Path, names: Sequence[str] = ()) -> Verdict:
    """Look for secrets in these files, by default all that git has or would take.

    The locks are left out: they are hashes and nothing else.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *names],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    files = [name for name in listed if name and not name.endswith(".lock")]
    if not files:
        return Verdict(said="no files")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("detect-secrets")), "scan", "--no-verify"),
            *("--exclude-secrets", f"^({'|'.join(NO_SECRETS)})$", *files),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)["results"]
    return Verdict(
        tuple(
            f"{name}:{each['line_number']}: {each['type']}"
            for name in sorted(found)
            for each in found[name]
        ),
        said=f"{len(files)} files",
    )


UNASKED = "Whether a locked version is known to be weak, nobody has said"
REMEDY = (
    "that fails. Run it where the address can be\n"
    "  reached, or name a mirror: AUDIT_OSV_URL=https://…/v1/query make audit. To go on without:\n"
    "  AUDIT=if-possible make audit"
)

# Each part is given the files that were named.
PARTS: dict[str, Callable[[Sequence[str]], Verdict]] = {
    "advisories": lambda _: advisories(
        sorted([ROOT / "requirements-test.lock", *ROOT.glob("deploy/*.lock")]),
        osv=os.environ.get("AUDIT_OSV_URL", OSV),
        accepted=let_through(ROOT / "deploy" / "audit.toml"),
    ),
    "sbom": lambda _: sbom(ROOT / "requirements.lock", SBOM),
    "secrets": lambda names: secrets(ROOT, names),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS), help="default: all")
    parser.add_argument("--of", nargs="*", default=(), metavar="FILE", help="for secrets")
    given = parser.parse_args(arguments)
    chosen = given.parts
    if unknown := sorted(set(chosen) - set(PARTS)):
        parser.error(f"there is no part {unknown[0]!r}")
    failed = False
    for name in chosen or PARTS:
        verdict = PARTS[name](given.of)
        if not verdict.asked:
            passes = os.environ.get("AUDIT") == "if-possible"
            failed |= not passes
            print(f"{name}: NOT AUDITED, {verdict.said}")
            print(f"  {UNASKED}; {'AUDIT=if-possible: passed' if passes else REMEDY}")
            continue
        failed |= bool(verdict.findings)
        print(f"{name}: {len(verdict.findings)} findings ({verdict.said})")
        for finding in verdict.findings:
            print(f"  {finding}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
