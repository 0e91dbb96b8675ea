"""The house: a file imports from lower floors or its own room, never upwards, never in a circle."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "vergence"
FLOORS = [
    {"geometry", "settings"},
    {"losses", "mixing", "metrics", "motion"},
    {"models", "data"},
    {"methods"},
    {"runs"},
    {"inference"},
    {"evaluation", "exporting", "propagation"},
    {"training", "serving"},
    {"selection"},
    {"flywheel"},
    {"report"},
    {"top"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ANYWHERE = {"errors", "progress", "_compat", "__init__"}
# single files, together one room
TOP = {
    "cli", "arguments", "console", "importing", "api", "labelling", "preparing", "demo", "doctor", "recipe_list",
    "door", "__main__",
}  # fmt: skip
LAZY = "__init__"
"""The package itself names everything that is the door for Python and imports it when it is asked for."""
TENSORS_ONLY = ("geometry", "losses", "mixing", "metrics")
FILE_LIBRARIES = {"pathlib", "os", "io", "shutil", "PIL", "pyarrow", "av", "safetensors", "json", "csv"}


def module_name(file: Path, source: Path) -> str:
    """Dotted name below the package; a package's own module ends in ``__init__``."""
    return ".".join(file.relative_to(source).with_suffix("").parts)


def modules(source: Path) -> dict[str, ast.Module]:
    return {module_name(file, source): ast.parse(file.read_text(encoding="utf-8")) for file in source.rglob("*.py")}


def imported(tree: ast.Module, name: str) -> Iterator[str]:
    """Absolute dotted names of everything a module imports, wherever in it, relative imports resolved."""
    package = ["vergence", *name.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def resolve(target: str, known: set[str]) -> str | None:
    """The module of ours that a dotted name comes from, None if it is not ours."""
    parts = target.split(".")
    if parts[0] != "vergence":
        return None
    for end in range(len(parts), 0, -1):
        inner = ".".join(parts[1:end])
        for candidate in (inner, f"{inner}.__init__" if inner else "__init__"):
            if candidate in known:
                return candidate
    return None


def graph(source: Path) -> dict[str, set[str]]:
    trees = modules(source)
    known = set(trees)
    edges: dict[str, set[str]] = {}
    for name, tree in trees.items():
        targets = set() if name == LAZY else {resolve(target, known) for target in imported(tree, name)}
        edges[name] = {target for target in targets if target is not None and target != name}
    return edges


def room(module: str) -> str:
    name = module.split(".")[0]
    return "top" if name in TOP else name


def upward(edges: dict[str, set[str]]) -> list[str]:
    """Imports that do not point to a lower floor or the own room, and rooms that are on no floor."""
    wrong = []
    for name, targets in sorted(edges.items()):
        if room(name) not in FLOOR and room(name) not in ANYWHERE:
            wrong.append(f"{name} is in no room of the house")
            continue
        for target in sorted(targets):
            if room(target) in ANYWHERE or room(target) == room(name):
                continue
            if FLOOR.get(room(target), 99) >= FLOOR.get(room(name), -1):
                wrong.append(f"{name} imports {target}")
    return wrong


def circle(edges: dict[str, set[str]]) -> list[str] | None:
    """A circle of imports, or None."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for target in sorted(edges[name]):
            found = visit(target, [*path, name])
            if found:
                return found
        done.add(name)
        return None

    for name in sorted(edges):
        found = visit(name, [])
        if found:
            return found
    return None


def test_imports_point_downwards() -> None:
    assert upward(graph(SOURCE)) == []


def test_the_package_imports_no_room_until_one_is_asked_for() -> None:
    code = (
        "import sys, vergence; assert set(vergence.__all__) <= set(dir(vergence)); "
        "print(*(name for name in sys.modules if name.startswith('vergence') or name in ('torch', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"vergence", "vergence._compat"}


def test_no_circles() -> None:
    assert circle(graph(SOURCE)) is None


@pytest.mark.parametrize("name", TENSORS_ONLY)
def test_floors_0_and_1_know_no_files(name: str) -> None:
    for module, tree in modules(SOURCE).items():
        if room(module) == name:
            assert {target.split(".")[0] for target in imported(tree, module)} & FILE_LIBRARIES == set(), module


def test_only_the_engine_knows_processes() -> None:
    for module, tree in modules(SOURCE).items():
        if FLOOR.get(room(module), 9) <= 3:
            libraries = {
                target for target in imported(tree, module) if target.startswith(("accelerate", "torch.distr"))
            }
            assert libraries == set(), module


def names(tree: ast.Module) -> set[str]:
    """Names that a module has when it is imported."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def absent(trees: dict[str, ast.Module], source: dict[str, ast.Module]) -> list[str]:
    """What modules elsewhere import of ours and is not there."""
    wrong = []
    for name, tree in sorted(trees.items()):
        for target in imported(tree, name):
            stem, _, last = target.removeprefix("vergence.").rpartition(".")
            if not target.startswith("vergence.") or not stem:
                continue
            module = source.get(stem) or source.get(f"{stem}.__init__")
            inner = {f"{stem}.{last}", f"{stem}.{last}.__init__"} & set(source)
            if not inner and (module is None or last not in names(module)):
                wrong.append(f"{name} imports {target}")
    return wrong


@pytest.mark.parametrize("folder", ["benchmarks", "examples"])
def test_what_programs_beside_the_package_import_is_there(folder: str) -> None:
    assert absent(modules(SOURCE.parents[1] / folder), modules(SOURCE)) == []


def test_the_check_finds_what_is_gone() -> None:
    ours = {"metrics.__init__": ast.parse(""), "metrics.depth": ast.parse("import torch\nmedian = 1\ndef f(): ...")}
    text = "from vergence.metrics.depth import f, median, gone\nfrom vergence.metrics import depth, ranking"
    assert absent({"study": ast.parse(text)}, ours) == [
        "study imports vergence.metrics.depth.gone",
        "study imports vergence.metrics.ranking",
    ]


def build(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def test_the_check_finds_upward_imports(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "geometry/__init__.py": "",
        "geometry/camera.py": "import torch\nfrom vergence.errors import InputError\nfrom . import pose\n",
        "geometry/pose.py": "def late():\n    from ..models.pose import PoseNetwork\n",
        "losses/__init__.py": "from vergence.geometry import camera\n",
        "metrics/depth.py": "import vergence.losses\n",
        "models/pose.py": "from vergence import losses\n",
        "cellar/x.py": "",
        "errors.py": "",
    }
    assert upward(graph(build(tmp_path, files))) == [
        "cellar.x is in no room of the house",
        "geometry.pose imports models.pose",
        "metrics.depth imports losses.__init__",
    ]


def test_the_check_finds_circles(tmp_path: Path) -> None:
    files = {
        "data/a.py": "from vergence.data import b\n",
        "data/b.py": "import vergence.data.c as c\n",
        "data/c.py": "from .a import x\n",
        "data/d.py": "from vergence.data.a import x\n",
    }
    assert circle(graph(build(tmp_path, files))) == ["data.a", "data.b", "data.c", "data.a"]
    (tmp_path / "data/c.py").write_text("", encoding="utf-8")
    assert circle(graph(tmp_path)) is None


def test_the_page_shows_these_floors() -> None:
    text = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown: dict[str, int] = {}
    floor = -1
    for line in re.search(r"```\ntop .*?```", text, re.DOTALL)[0].splitlines()[2:-2]:  # type: ignore[index]
        if found := re.match(r"floor (\d+)", line):
            floor = int(found[1])
        if floor >= 0:
            shown |= dict.fromkeys(re.findall(r"(\w+)/(?=  )", line), floor)
    known = {room: number for room, number in FLOOR.items() if room != "top"}
    assert {room: max(shown.values()) - number for room, number in shown.items()} == {
        room: max(known.values()) - number for room, number in known.items()
    }
