"""Settings of a network for segmentation beside depth, and what they must keep to."""

import math

from vergence.errors import InputError
from vergence.models.decoders import BLOCKS, LEVELS
from vergence.settings.networks import SegmentationNetworkConfig

DECODERS = ("monodepth2", "three_ways", "deeplabv3plus")
EXCHANGES = ("none", "pad", "attention")
BOTTLENECK = LEVELS
"""Head level of the encoder's deepest feature."""
ATTENTION_LEVELS = (3, 2, 1)


def check_segmentation_network(config: SegmentationNetworkConfig, depth: bool) -> None:
    """See that the settings make a network, with a depth decoder or without.

    Raises:
        InputError: naming the setting.
    """
    if config.decoder not in DECODERS:
        raise InputError(f"decoder={config.decoder!r} is unknown; use {', '.join(DECODERS)}.")
    levels = tuple(config.head_levels)
    if not levels or len(set(levels)) < len(levels) or any(level not in range(BOTTLENECK + 1) for level in levels):
        raise InputError(f"head_levels={levels} must be different numbers among 5 (deepest) to 0 (finest).")
    if config.head_stride < 1:
        raise InputError(f"head_stride={config.head_stride} must be at least 1.")
    if config.head_channels is not None and config.head_channels < int(config.head_hidden):
        raise InputError(f"head_channels={config.head_channels} must be at least 1, or 0 without head_hidden.")
    if config.head_hidden_channels is not None and config.head_hidden_channels < 1:
        raise InputError(f"head_hidden_channels={config.head_hidden_channels} must be at least 1.")
    if config.head_kernel not in (1, 3):
        raise InputError(f"head_kernel={config.head_kernel} must be 1 or 3.")
    if len(config.gradient_scale) != 2 or not all(0 <= factor < math.inf for factor in config.gradient_scale):
        raise InputError(
            f"gradient_scale={tuple(config.gradient_scale)} must be two numbers of at least 0: depth, segmentation."
        )
    _check_sharing(config, depth)
    _check_exchange(config, depth)


def _finest_of_both(config: SegmentationNetworkConfig) -> int:
    """The finest level that both decoders have."""
    return max(min(config.head_levels), min(config.scales, default=LEVELS))


def _check_twins(config: SegmentationNetworkConfig, depth: bool, name: str, value: object, off: object) -> None:
    """InputError where the tasks have no decoders of one form."""
    if not depth:
        raise InputError(
            f"{name}={value} takes a network that also learns depth; add the depth task or set {name}={off}."
        )
    if config.decoder == "deeplabv3plus":
        raise InputError(f"{name}={value} takes decoders of one form; use decoder=three_ways or monodepth2.")


def _check_sharing(config: SegmentationNetworkConfig, depth: bool) -> None:
    blocks = config.shared_blocks
    if blocks not in range(BLOCKS + 1):
        raise InputError(f"shared_blocks={blocks} must be a number of decoder blocks, 0 to {BLOCKS}.")
    if blocks == 0:
        return
    _check_twins(config, depth, "shared_blocks", blocks, 0)
    most = 2 * (LEVELS - min(_finest_of_both(config), LEVELS))
    if config.exchange == "pad":
        most = min(most, 2 * (LEVELS - config.exchange_level) - 1)  # after the last of them the tasks would be equal
    if blocks > most:
        raise InputError(
            f"shared_blocks={blocks} goes beyond head_levels={tuple(config.head_levels)}, "
            f"scales={tuple(config.scales)} or the exchange level; at most {most} blocks can be shared there."
        )


def attention_levels(config: SegmentationNetworkConfig) -> tuple[int, ...]:
    """Levels, deepest first, of the exchange "attention": those that neither task shares and both have."""
    finest, private = _finest_of_both(config), LEVELS - 1 - config.shared_blocks // 2
    return tuple(level for level in ATTENTION_LEVELS if finest <= level <= private)


def _check_exchange(config: SegmentationNetworkConfig, depth: bool) -> None:
    exchange = config.exchange
    if exchange not in EXCHANGES:
        raise InputError(f"exchange={exchange!r} is unknown; use {', '.join(EXCHANGES[:-1])} or {EXCHANGES[-1]}.")
    if exchange == "none":
        return
    _check_twins(config, depth, "exchange", exchange, "none")
    levels, scales = tuple(config.head_levels), tuple(config.scales)
    if exchange == "attention" and not attention_levels(config):
        raise InputError(
            f"exchange=attention finds no level of 3, 2, 1 that shared_blocks={config.shared_blocks} leaves private "
            f"and both head_levels={levels} and scales={scales} go to."
        )
    if exchange == "pad" and (
        config.exchange_level not in range(LEVELS) or _finest_of_both(config) >= config.exchange_level
    ):
        raise InputError(
            f"exchange_level={config.exchange_level} must be a level, 4 to 1, that both head_levels={levels} and "
            f"scales={scales} go beyond to finer ones."
        )
