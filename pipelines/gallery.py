"""One picture per finished run, for docs/gallery: photo, scene from its camera, objects, scene from the side.

    python -m pipelines.gallery RUNS OUT

RUNS holds run folders; OUT gets NAME.jpg for each, cut from the pictures of its report page.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
from pathlib import Path

from PIL import Image

from pixal3d_scene.errors import InputError

_PICTURES = ("photo", "from the photo", "masks", "from the side")
_HEIGHT_PX, _GAP_PX, _QUALITY = 270, 6, 82


def gallery_strip(report_html: str) -> Image.Image:
    """The first four pictures of a report page, side by side at one height; InputError where it has fewer."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', report_html)
    if len(found) < len(_PICTURES):
        raise InputError(f"The page has {len(found)} pictures; it must show {', '.join(_PICTURES)}.")
    pictures = [Image.open(io.BytesIO(base64.b64decode(text))) for text in found[: len(_PICTURES)]]
    pictures = [p.resize((round(p.width * _HEIGHT_PX / p.height), _HEIGHT_PX)) for p in pictures]
    width = sum(p.width for p in pictures) + _GAP_PX * (len(pictures) - 1)
    strip = Image.new("RGB", (width, _HEIGHT_PX), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + _GAP_PX
    return strip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for page in sorted(given.runs.glob("*/report.html")):
        file = given.out / f"{page.parent.name}.jpg"
        gallery_strip(page.read_text(encoding="utf-8")).save(file, quality=_QUALITY)
        print(file)


if __name__ == "__main__":
    main()
