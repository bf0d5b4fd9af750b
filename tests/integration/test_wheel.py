"""The wheel holds what the tree holds, and works with the tree out of reach."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
HOMES = {"lmort_memory.cli": "cli", "lmort_memory.tuners": "tuners"}


def home_of(package):
    """Return the folder of the tree that a package is made of."""
    return ROOT / HOMES.get(package, package.replace(".", "/"))


def files_of_the_tree():
    """Return, as a wheel names them, the files of every package of the tree."""
    found = set()
    for package in PACKAGES:
        for path in home_of(package).iterdir():
            if path.is_file() and path.suffix not in (".c", ".so"):
                found.add(f"{package.replace('.', '/')}/{path.name}")
    return found | {
        f"lmort_memory/tuners/recipes/{path.name}" for path in (ROOT / "tuners/recipes").iterdir()
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel of a copy of the sources, with the setuptools that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    for name in ("lmort_memory", "cli", "tuners"):
        leave_out = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / name, copy / name, ignore=leave_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(
        [*command, "--no-index", "--wheel-dir", folder, copy], env=environment, check=True
    )
    shutil.rmtree(copy)
    (built,) = folder.glob("*.whl")
    return built


def test_every_package_of_the_tree_is_listed():
    """A folder with modules in it is a package that pyproject.toml names."""
    folders = {
        path.parent
        for name in ("lmort_memory", "cli", "tuners")
        for path in (ROOT / name).rglob("*.py")
    }
    assert folders == {home_of(package) for package in PACKAGES}


def test_the_wheel_holds_the_tree(wheel):
    """Every module, the shipped tuners, the recipes, the licence, and the compiled capture."""
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {name for name in names if ".dist-info/" not in name}
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    compiled = f"lmort_memory/backbone/_fastcapture{suffix}"
    assert "lmort_memory/pretrained/smollm2-135m-instruct.gguf" in ours
    ours.discard("lmort_memory/backbone/_fastcapture.c")
    assert ours == files_of_the_tree() | {compiled}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_works_alone(wheel, tmp_path):
    """Unpacked far from the tree it remembers, and recalls by meaning with its own tuner."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    # -S: without it the editable installation's hook would find what the wheel lacks.
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]; import lmort_memory;"
        "from lmort_memory.backbone import _fastcapture;"
        "from lmort_memory.tuners.recipe import recipe_path; recipe_path('smollm2-135m');"
        "from lmort_memory.cli import run;"
        "assert run(['add', 'My sister Ada keeps bees in Trondheim.']) == 0;"
        "assert run(['recall', 'Who is a beekeeper?', '--mode', 'dense']) == 0;"
        "print(lmort_memory.__file__, _fastcapture.__file__)"
    )
    folders = [tmp_path / "installed", sysconfig.get_path("purelib")]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *folders], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "keeps bees" in done.stdout
    assert str(ROOT) not in done.stdout.splitlines()[-1]
