"""What every method's settings say of it, where it says nothing else."""

from dataclasses import dataclass

from vergence.methods.config import MethodConfig
from vergence.methods.role import Role


@dataclass
class Classes(MethodConfig):
    port: str = ""
    learned: bool = False

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("depth", "segmentation") if self.learned else ("depth",)

    @property
    def roles(self) -> dict[str, Role]:
        return {"unlabelled": Role(label_port=self.port)}


def test_depth_from_neighbours_is_what_is_not_said() -> None:
    config = MethodConfig()
    assert config.tasks == ("depth",)
    assert config.roles == {"unlabelled": Role(neighbours=True)}
    assert (config.shown, config.networks, config.starts_from, config.depth_from, config.facts) == ((), {}, "", "", {})
    assert config.for_loading() == config


def test_classes_are_needed_where_they_are_learned_or_come_from_a_port() -> None:
    assert not Classes().needs_label_space
    assert Classes(port="runs/seg").needs_label_space
    assert Classes(learned=True).needs_label_space
