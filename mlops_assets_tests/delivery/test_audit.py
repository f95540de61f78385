"""`make audit`: each part finds what is planted, and says so when it could not look."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlops_assets_tests.delivery.scripts import ROOT, script

audit = script("deploy/audit.py")
pytestmark = pytest.mark.integration
LOCK = f"requests==2.0.0 --hash=sha256:{'0' * 64}\nnumpy==2.4.0 --hash=sha256:{'1' * 64}\n"
WEAKNESS = {
    "id": "GHSA-0000-0000-0000",
    "summary": "planted",
    "aliases": ["CVE-2099-1"],
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
        }
    ],
}


@pytest.fixture(autouse=True)
def _tools() -> None:
    for tool in ("pip-audit", "cyclonedx-py", "detect-secrets"):
        if not Path(sys.executable).with_name(tool).is_file():
            pytest.skip(f"{tool} is not installed (extra: deploy)")


@pytest.fixture(scope="module")
def osv() -> Iterator[Callable[..., str]]:
    """The URL of an advisory database that knows these packages to be weak, and no others."""
    servers: list[ThreadingHTTPServer] = []

    def start(*weak: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                affected = [{**WEAKNESS["affected"][0], "package": asked["package"]}]
                weakness = {**WEAKNESS, "affected": affected}
                body = {"vulns": [weakness]} if asked["package"]["name"] in weak else {}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,)).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}/v1/query"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(LOCK)
    return path


def test_a_weak_version_in_a_lock_is_found(osv: Callable[..., str], lock: Path) -> None:
    """Security demand 5; the other package is sound, and passes."""
    verdict = audit.advisories([lock], osv=osv("pyyaml", "requests"))
    assert verdict.asked
    assert len(verdict.findings) == 1
    assert re.match(r"some.lock: requests 2.0.0: \S+, mended in 2.1", verdict.findings[0])


def test_a_database_that_knows_nothing_was_not_asked(osv: Callable[..., str], lock: Path) -> None:
    """A proxy that answers everything with "no" looks like a clean bill of health."""
    verdict = audit.advisories([lock], osv=osv())
    assert not verdict.asked
    assert "knows nothing of pyyaml" in verdict.said


def test_where_nobody_answers_that_is_said(lock: Path) -> None:
    """Offline: the reason, not a pass."""
    verdict = audit.advisories([lock], osv="http://127.0.0.1:9/v1/query")
    assert not verdict.asked
    assert re.fullmatch(r"http://127.0.0.1:9/v1/query: Failed to .* refused", verdict.said)


def test_an_advisory_is_let_through_until_its_day() -> None:
    """A weakness that nobody has mended yet stops all work; one that is let through for ever is
    forgotten."""
    weakness = {"id": "PYSEC-1", "aliases": ["CVE-2099-1"], "fix_versions": []}
    answers = {"a.lock": [{"name": "requests", "version": "2.0.0", "vulns": [weakness]}]}
    today = dt.datetime.now(dt.UTC).date()
    still = audit.LetThrough("CVE-2099-1", "not called", today)
    assert audit.judged(answers, [still]).findings == ()
    over = audit.LetThrough("CVE-2099-1", "not called", today - dt.timedelta(days=1))
    assert audit.judged(answers, [over]).findings == (
        f"CVE-2099-1 was let through until {over.until}: not called. Look again",
        "a.lock: requests 2.0.0: PYSEC-1, mended in no version yet",
    )


def test_what_is_let_through_has_a_reason_and_a_day() -> None:
    """An entry without an end."""
    for each in audit.let_through(ROOT / "deploy" / "audit.toml"):
        assert each.reason
        assert isinstance(each.until, dt.date)


@pytest.mark.parametrize(
    ("verdict", "setting", "status", "said"),
    [
        (audit.Verdict(said="1 locks"), "", 0, "advisories: 0 findings (1 locks)\n"),
        (audit.Verdict(("weak",)), "if-possible", 1, "advisories: 1 findings ()\n  weak\n"),
        (audit.Verdict(asked=False, said="no route"), "", 1, "NOT AUDITED, no route\n"),
        (audit.Verdict(asked=False), "", 1, "AUDIT_OSV_URL=https://…/v1/query make audit"),
        (
            audit.Verdict(asked=False),
            "if-possible",
            0,
            "nobody has said; AUDIT=if-possible: passed\n",
        ),
    ],
)
def test_what_fails_the_gate(
    verdict: Any,
    setting: str,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An audit that did not happen is none; a laptop can go on offline if it says so, told so."""
    monkeypatch.setitem(audit.PARTS, "advisories", lambda _: verdict)
    monkeypatch.setenv("AUDIT", setting)
    assert audit.main(["advisories"]) == status
    assert said in capsys.readouterr().out


def test_the_sbom_names_every_pin_with_its_hashes(tmp_path: Path) -> None:
    """Security demand 5: a bill of materials that leaves parts out, or differs each time."""
    lock, target = tmp_path / "requirements.lock", tmp_path / "build" / "sbom.json"
    lock.write_text(LOCK)
    assert audit.sbom(lock, target) == audit.Verdict(said=f"2 parts in {target}")
    found: dict[str, Any] = json.loads(target.read_text())
    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["component"]["name"] == "mlops_assets"
    parts = {part["name"]: part for part in found["components"]}
    assert parts["numpy"]["purl"] == "pkg:pypi/numpy@2.4.0"
    assert "1" * 64 in json.dumps(parts["numpy"])
    assert not {"serialNumber", "timestamp"} & {*found, *found["metadata"]}


def repository(folder: Path, **files: str) -> Path:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


# In parts, or this file would be a finding itself.
CANARIES = {
    "an AWS key": ("key = '" + "AKIA" + "IOSFODNN7EXAMPLF'\n", "AWS Access Key"),
    "a private key": ("-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n", "Private Key"),
    "a GitHub token": (
        "t = '" + "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345'\n",
        "GitHub Token",
    ),
    "a password": ("pass" + "word = 'correct-horse-battery'\n", "Secret Keyword"),
    "a password in a URL": ("url = 'https://user:" + "swordfish7@example.com'\n", "Basic Auth"),
}


@pytest.mark.parametrize("name", CANARIES)
def test_a_planted_secret_is_found(name: str, tmp_path: Path) -> None:
    """Security demand 6: also in a file that git does not have yet."""
    text, kind = CANARIES[name]
    verdict = audit.secrets(repository(tmp_path, settings_py="\n" + text))
    assert any(kind in finding for finding in verdict.findings), verdict
    assert verdict.findings[0].startswith("settings.py:2: ")


def test_without_a_secret_nothing_is_found(tmp_path: Path) -> None:
    """Placeholders for servers on this machine are none; what git ignores is not looked at."""
    files = {
        "a_py": "aws_secret_access_key='" + "local'\n",
        "b_env": CANARIES["a password"][0],
        "_gitignore": "*.env\n",
    }
    assert audit.secrets(repository(tmp_path, **files)) == audit.Verdict(said="2 files")


def test_only_the_named_files_are_looked_at(tmp_path: Path) -> None:
    """The hook of a commit is about that commit."""
    folder = repository(tmp_path, a_py="x = 1\n", b_py=CANARIES["a password"][0])
    assert audit.secrets(folder, ["a.py"]) == audit.Verdict(said="1 files")
    assert audit.secrets(folder, ["b.py"]).findings
