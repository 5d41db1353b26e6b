"""One picture a widget for the README: `python docs/pictures.py` writes docs/pictures/*.png.

The pictures are those that the browser tests take of the real widgets, light, without a kernel; here they are scaled to
the width of a README and reduced to 256 colours, so that each stays under 120 kB.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from lmcourse.widgets import widget_names

ROOT = Path(__file__).parents[1]
TAKEN, KEPT = ROOT / "build" / "pictures", ROOT / "docs" / "pictures"
LARGEST, WIDTH = 120_000, 1000  # bytes, pixels


def shrink(source: Path, target: Path) -> int:
    """Write a small copy of a picture; returns its size in bytes. Fewer colours until it is small enough."""
    with Image.open(source) as picture:
        picture = picture.convert("RGB")
        if picture.width > WIDTH:
            picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
        for colours in (256, 64, 32, 16):
            few = picture.quantize(colours, dither=Image.Dither.NONE)
            few.save(target, optimize=True)
            if target.stat().st_size < LARGEST:
                return target.stat().st_size
    raise SystemExit(f"{target.name} is larger than {LARGEST:,} bytes even in 16 colours")


def main() -> None:
    """Take all pictures anew, then keep the small ones."""
    tests = ["tests/browser/test_every_widget.py", "-k", "looks_and_is_accessible and light"]
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", *tests], cwd=ROOT, check=True)
    KEPT.mkdir(exist_ok=True)
    for name in widget_names():
        size = shrink(TAKEN / f"{name}-light.png", KEPT / f"{name}.png")
        print(f"docs/pictures/{name}.png  {size:,} bytes")


if __name__ == "__main__":
    main()
