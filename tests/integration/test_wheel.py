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

from tests.support.wheel_check import copy_sources

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
MAPPED = ("cli", "tuners")  # folders of the tree that are packages inside lmort_memory


def home_of(package):
    """Return the folder of the tree that a package is made of."""
    inner = package.split(".")[1:]
    return ROOT.joinpath(*inner if inner and inner[0] in MAPPED else package.split("."))


def files_of_the_tree():
    """Return, as a wheel names them, the files of every package of the tree."""
    found = set()
    for package in PACKAGES:
        for path in home_of(package).iterdir():
            if path.is_file() and path.suffix not in (".c", ".so"):
                found.add(f"{package.replace('.', '/')}/{path.name}")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel of a copy of the sources, with the setuptools that is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    copy_sources(copy)
    command = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation"]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [*command, "--no-index", "--wheel-dir", folder, copy],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    (folder / "build.log").write_text(done.stdout)
    shutil.rmtree(copy)
    (built,) = folder.glob("*.whl")
    return built


def test_every_package_of_the_tree_is_listed():
    """A folder with modules, recipes or pages in it is a package that pyproject.toml names."""
    folders = {
        path.parent
        for name in ("lmort_memory", "cli", "tuners")
        for path in (ROOT / name).rglob("*")
        if path.suffix in (".py", ".toml", ".html")
    }
    assert folders == {home_of(package) for package in PACKAGES}


def test_the_wheel_holds_the_tree(wheel):
    """Every module, the shipped tuners, the recipes, the licence, and the compiled capture."""
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {name for name in names if ".dist-info/" not in name}
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    compiled = f"lmort_memory/backbone/fastcapture{suffix}"
    assert "lmort_memory/encoder/pretrained/smollm2-135m-instruct.gguf" in ours
    ours.discard("lmort_memory/backbone/fastcapture.c")
    assert ours == files_of_the_tree() | {compiled}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_build_leaves_nothing_to_chance(wheel):
    """Setuptools says of no folder that it is in the wheel without having been named."""
    log = (wheel.parent / "build.log").read_text()
    assert "pretrained/smollm2-135m-instruct.gguf" in log
    assert "would be ignored" not in log


def test_the_wheel_works_alone(wheel, tmp_path):
    """Unpacked far from the tree it remembers, and recalls by meaning with its own tuner."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    # -S: without it the editable installation's hook would find what the wheel lacks.
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]; import lmort_memory;"
        "from lmort_memory.backbone import fastcapture;"
        "from lmort_memory.tuners.train.recipe import recipe_path; recipe_path('smollm2-135m');"
        "from lmort_memory.cli import run;"
        "assert run(['add', 'My sister Ada keeps bees in Trondheim.']) == 0;"
        "assert run(['recall', 'Who is a beekeeper?', '--mode', 'dense']) == 0;"
        "print(lmort_memory.__file__, fastcapture.__file__)"
    )
    folders = [tmp_path / "installed", sysconfig.get_path("purelib")]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, *folders], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "keeps bees" in done.stdout
    assert str(ROOT) not in done.stdout.splitlines()[-1]
