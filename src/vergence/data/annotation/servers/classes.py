"""Whether a project that is there asks for the same classes."""

from collections.abc import Sequence

from vergence.data.annotation.classes import BACKGROUND, AnnotationClasses
from vergence.errors import InputError

_SHOWN = 8


def same_classes(project: object, there: Sequence[str], classes: AnnotationClasses) -> None:
    """InputError where a project lacks classes that frames may have, or has others, in whatever order.

    The class that what is ignored is painted with may be missing there, and "background" on either side.
    """
    free = {BACKGROUND, classes.ignore}
    missing = [name for name in classes.names if name not in there and name not in free]
    others = [name for name in there if name not in classes.names and name not in free]
    if missing or others:
        parts = [f"lacks {_listed(missing)}"] if missing else []
        parts += [f"has {_listed(others)} besides"] if others else []
        raise InputError(
            f"{project} {' and '.join(parts)}, so that its classes are not those of {classes.space.name}; give another "
            "--project, or --label_space."
        )


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + rest
