"""Practice beside notebook 00: see the package."""

SLIPS: dict[str, dict[str, tuple[str, str]]] = {}

WHY = {
    "shift_by_one": (
        "Why does `ids[:-1]` leave the last id out of the inputs?",
        "Nothing follows the last id, so there would be no target for it. As a target it does take part: it is the "
        "last of `ids[1:]`.",
    ),
}
