"""Bikes: a plain function is a processor too; its annotations are checked, its docstring is for people."""

DESCRIPTIONS = {
    "scrambler": "Scrambler: 803 cc, 73 hp, 185 kg. Light, upright, at home in town.",
    "monster": "Monster: 937 cc, 111 hp, 179 kg. The naked bike that began it all.",
    "multistrada": "Multistrada: 1,158 cc, 170 hp, 229 kg. Two seats, three cases, any road.",
    "panigale": "Panigale: V4, 1,103 cc, 214 hp, 191 kg. Born on the track; a full license is needed.",
}


def describe_bike(bike: str) -> str:
    """Two lines of figures for a bike's id, as the list of the flow gives it."""
    return DESCRIPTIONS.get(
        bike, f"{bike.replace('_', ' ').capitalize()}: our team tells you more at the ride."
    )
