"""What a manifest says of a training's environment: what the script uses, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.containers.software import Software, imported, seed_of, software


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a package that does not exist: ``install("name", "1.0", "needs other")``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def make(name: str, version: str, *needs: str) -> None:
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needs)]
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]) + "\n")
        (info / "top_level.txt").write_text(f"{name}\n")

    return make


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "train.py").write_text("import made_up.part\nfrom . import beside\n")
    return directory


def test_what_a_script_imports_and_what_that_needs(install, source: Path) -> None:
    install("made_up", "1.0", "deeper >=2", "unused ; extra == 'all'", "not_installed")
    install("deeper", "2.5")
    install("unused", "3.0")
    found = software(source)
    assert found.packages["made-up"] == "1.0"
    assert found.packages["deeper"] == "2.5"
    assert not {"unused", "not-installed"} & {*found.packages}


def test_what_lies_beside_it_changes_no_byte(install, source: Path) -> None:
    """A torch that XGBoost's script never imports made `mlops reproduce` fail."""
    install("made_up", "1.0")
    before = software(source).to_json()
    install("torch_of_others", "2.13")
    assert software(source).to_json() == before


def test_another_version_has_another_lock() -> None:
    old, new = (Software("3.11.9", "x86_64", {"numpy": each}) for each in ("2.4.1", "2.4.2"))
    assert old.lock != new.lock
    assert old.lock == Software("3.11.9", "x86_64", {"numpy": "2.4.1"}).lock


def test_imports_inside_functions_count_and_other_files_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    import late.on\n    from x.y import z\n")
    (tmp_path / "b.py").write_text("this is no Python\n")
    assert imported(tmp_path / "a.py") == {"late", "x"}
    assert imported(tmp_path / "b.py") == set()


def test_a_seed_by_any_of_its_names() -> None:
    assert [seed_of({name: 1}) for name in ("seed", "random_state", "depth")] == [1, 1, None]
