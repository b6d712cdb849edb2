"""A hall of 60 places that fits in the head: Stalls 0-23 and Circle 24-47, each rows A to C of 8, and a Floor 48-59.

Zones 0, 1 and 2 in that order. The stage is at the top; rows are 1 m apart and seats 50 cm. Seats 22 and 23, at the end
of the Stalls' last row, are for wheelchair users and their companions.
"""

from onsale.catalog import Chart
from onsale.catalog.chart import Row, Section, Shape

STALLS, CIRCLE, FLOOR = range(24), range(24, 48), range(48, 60)
ROW_SEATS = 8
ACCESSIBLE = (22, 23)


def _block(name: str, zone: int, first: int, top: int) -> Section:
    rows = tuple(
        Row(letter, ROW_SEATS, 1, 1, line=(-175, top + 100 * number, 175, top + 100 * number))
        for number, letter in enumerate("ABC")
    )
    outline = (-200, top - 50, 200, top - 50, 200, top + 250, -200, top + 250)
    return Section(name, zone, False, outline, (0, top), first, 24, rows)


HALL = Chart(
    v=1,
    name="The Small Hall",
    kind="club",
    seats=60,
    box=(-500, -300, 500, 1200),
    focus=(0, 0),
    zones=("Stalls", "Circle", "Floor"),
    shapes=(Shape("stage", "Stage", (-200, -100, 200, -100, 200, 0, -200, 0)),),
    sections=(
        _block("Stalls", 0, 0, 200),
        _block("Circle", 1, 24, 600),
        Section("Floor", 2, True, (-400, 950, 400, 950, 400, 1150, -400, 1150), (0, 1000), 48, 12, ()),
    ),
    accessible=((22, 2),),
    restricted=(),
)
