"""Stadiums: a pitch with a concert stage at one end, standing room before it, and up to three tiers around."""

import math
from collections.abc import Sequence

from onsale.catalog.chart import ShapeKind
from onsale.catalog.generate.bowl import Bowl
from onsale.catalog.generate.dice import Dice
from onsale.catalog.generate.drawing import Block, Drawing
from onsale.catalog.generate.geometry import Arc, Point, off_axis, oval, rectangle, rounded
from onsale.catalog.generate.wedge import Wedge

# A football pitch (the size most leagues ask for), half of it, and the ground that players and
# photographers need around it.
PITCH_HALF_WIDTH_CM = 3_400.0
PITCH_HALF_LENGTH_CM = 5_250.0
SURROUND_SIDE_CM = 1_150.0
SURROUND_END_CM = 1_200.0
# Below this many people the pitch is drawn smaller, as a training or school ground, so that the stand keeps
# some rows; and below the second figure, only the long sides have stands.
FULL_SIZE_CAPACITY = 16_000
ALL_ROUND_CAPACITY = 1_500

ZONES = ("Golden circle", "Floor", "Stands", "Lower bowl", "Club level", "Upper bowl", "Side and rear view")
# What the tiers are sold as, bottom to top, by how many there are.
TIER_ZONES = {
    1: ("Stands",),
    2: ("Lower bowl", "Upper bowl"),
    3: ("Lower bowl", "Club level", "Upper bowl"),
}
# Past this angle a section looks at the stage from the side, and is sold as such; past the second one the
# view is restricted.
SIDE_VIEW_RAD = math.radians(104)
RESTRICTED_RAD = math.radians(125)


def stadium(capacity: int, dice: Dice) -> Drawing:
    """A stadium with room for `capacity` people."""
    scale = max(0.25, min(1.0, math.sqrt(capacity / FULL_SIZE_CAPACITY)))
    front = -scale * dice.between("stage front", 4_000, 4_200)
    golden, floor = _standing(capacity, dice)
    focus = (0.0, front)
    inner, outer = _golden_outline(scale, front), _floor_outline(scale, front)
    blocks = [
        Block("Golden Circle", "Golden circle", inner, (0, front + 1_840 * scale), standing=golden),
        Block("Floor", "Floor", outer, (0, front + 5_200 * scale), standing=floor),
    ]
    tiers = _bowl(capacity, scale, dice).fitted(capacity - golden - floor)
    for level, (wedges, zone) in enumerate(zip(tiers, TIER_ZONES[len(tiers)], strict=True), 1):
        for number, wedge in enumerate(wedges, 1):
            blocks.append(_section(wedge, f"{level}{number:02}", zone, focus))
    return Drawing("stadium", focus, ZONES, _shapes(scale, front), blocks, RESTRICTED_RAD)


def _standing(capacity: int, dice: Dice) -> tuple[int, int]:
    """People in the golden circle and on the floor: a sixth of the house, four per square metre at 100,000."""
    golden = max(1, int(capacity * dice.between("golden", 0.020, 0.025)))
    floor = max(1, int(capacity * dice.between("floor", 0.140, 0.155)))
    step = 100 if capacity >= 10_000 else 10 if capacity >= 500 else 1
    return max(step, golden // step * step), max(step, floor // step * step)


def _bowl(capacity: int, scale: float, dice: Dice) -> Bowl:
    shares = [0.36, 0.16, 0.48] if capacity >= 62_000 else [0.52, 0.48] if capacity >= 24_000 else [1.0]
    swell = dice.between("swell", 0.10, 0.24)

    def deep(where: Point) -> float:
        # The top tier is deepest beside the pitch and shallowest behind the goals: the silhouette of a
        # saddle.
        angle = math.atan2(where[1], where[0])
        return 1 + swell * math.cos(2 * angle)

    half_width = scale * (PITCH_HALF_WIDTH_CM + SURROUND_SIDE_CM)

    def keep(where: Point) -> bool:
        return capacity >= ALL_ROUND_CAPACITY or abs(where[0]) > 0.9 * half_width

    base = oval(
        half_width,
        scale * (PITCH_HALF_LENGTH_CM + SURROUND_END_CM),
        scale * dice.between("corner", 1_850, 2_100),
        math.radians(dice.between("side bend", 12, 17)),
        math.radians(dice.between("end bend", 14, 20)),
    )
    width = max(900.0, 3_000 * math.sqrt(scale))
    return Bowl(base, shares, width, 380 if scale == 1 else 300, deep, keep)


def _section(wedge: Wedge, name: str, zone: str, focus: Point) -> Block:
    aside = off_axis(wedge.middle(), focus) > SIDE_VIEW_RAD
    return wedge.block(name, "Side and rear view" if aside else zone)


def _golden_outline(scale: float, front: float) -> list[Point]:
    """Half a disc before the stage, with a bay for the catwalk."""
    rim = Arc(0, 130, 2_150, 0, math.pi).points()
    half = [(-330, 130), (-330, 900), (-640, 900), (-640, 1_410)]
    bay = half + [(-x, y) for x, y in half[::-1]]
    return _placed([*rim, *bay], scale, front)


def _floor_outline(scale: float, front: float) -> list[Point]:
    """Around the golden circle and back to where the mixing desk stands."""
    side, end = 3_150, 8_200
    bite = Arc(0, 130, 2_300, math.pi, 0).points()
    foot = rounded([(side, 130), (side, end), (-side, end), (-side, 130)], 900)[7:-7]
    return _placed([*bite, (side, 130), *foot, (-side, 130)], scale, front)


def _shapes(scale: float, front: float) -> list[tuple[ShapeKind, str, list[Point]]]:
    pitch = rectangle(-PITCH_HALF_WIDTH_CM, -PITCH_HALF_LENGTH_CM, PITCH_HALF_WIDTH_CM, PITCH_HALF_LENGTH_CM)
    half = [(2_250, -1_700), (2_250, 0), (220, 0), (220, 1_000), (520, 1_000), (520, 1_300)]
    stage = half + [(-x, y) for x, y in half[::-1]]
    return [
        ("pitch", "", _placed(rounded(pitch, 150), scale, 0)),
        ("stage", "Stage", _placed(stage, scale, front)),
        ("screen", "", _placed(rectangle(-3_250, -420, -2_400, -220), scale, front)),
        ("screen", "", _placed(rectangle(2_400, -420, 3_250, -220), scale, front)),
    ]


def _placed(points: Sequence[Point], scale: float, down: float) -> list[Point]:
    return [(x * scale, down + y * scale) for x, y in points]
