"""Make of matplotlib's SVG a small picture that can stand in a page beside others.

matplotlib names everything, repeats the style of each tick mark, and gives coordinates to a millionth of a point. Here
names go, marks are drawn where they are used, equal strokes are joined, and coordinates keep a tenth of a point. The
picture refers to nothing, so that any number of them can stand in one page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from builder.physics import notation

NAMESPACE = "http://www.w3.org/2000/svg"
FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_STEP = re.compile(r"([MLQCZz])([^MLQCZz]*)")
_PLACE = re.compile(r"text-(\d+)")
_DROPPED = {"font-family", "stroke-linejoin"}
_LOWERED_BY, _LOWERED_SIZE = 0.25, 0.75
"""Of the size of the font."""


@dataclass(frozen=True)
class Words:
    """The text of a picture, kept from matplotlib, which would measure and parse it."""

    identity: str
    """Makes the ids of title and description unique in a page: letters, digits and `-`."""
    title: str
    description: str
    places: Sequence[str]
    """What stands where the drawing says `text-0`, `text-1`, ..."""


def compact(drawing: str, words: Words) -> str:
    """Rewrite what matplotlib's SVG backend drew (paths and text, unclipped) as one `<svg>` element."""
    source = ET.fromstring(drawing)  # noqa: S314 - matplotlib wrote it, and no text of others is in it
    _, _, width, height = (source.get("viewBox") or "0 0 0 0").split()
    picture = ET.Element(
        "svg",
        {
            "xmlns": NAMESPACE,
            "viewBox": f"0 0 {_short(float(width))} {_short(float(height))}",
            "role": "img",
            "aria-labelledby": f"{words.identity}-title {words.identity}-description",
            "font-family": FONTS,
            "stroke-linejoin": "round",
        },
    )
    for name, text in (("title", words.title), ("desc", words.description)):
        part = "description" if name == "desc" else name
        ET.SubElement(picture, name, {"id": f"{words.identity}-{part}"}).text = notation.as_text(text)
    for mark in _joined(_marks(source)):
        if mark.path:
            ET.SubElement(picture, "path", {"d": mark.path, **mark.style})
        else:
            _set_text(ET.SubElement(picture, "text", dict(mark.style)), mark.text, words.places)
    return ET.tostring(picture, encoding="unicode")


@dataclass(frozen=True)
class _Mark:
    """A path, or a text that stands somewhere, and its attributes."""

    style: Mapping[str, str]
    path: str = ""
    text: str = ""


def _marks(source: ET.Element) -> Iterator[_Mark]:
    """Give all that is drawn, in order; what is defined to be used is given where it is used."""
    svg = f"{{{NAMESPACE}}}"
    defined = {element.get("id"): element for defs in source.iter(f"{svg}defs") for element in defs}
    hidden = set(defined.values())
    for element in source.iter():
        if element in hidden:
            continue
        if element.tag == f"{svg}path":
            yield _Mark(style=_style(element), path=_path(element.get("d", "")))
        elif element.tag == f"{svg}use":
            used = defined[element.get(_XLINK, "")[1:]]
            at = (float(element.get("x", "0")), float(element.get("y", "0")))
            yield _Mark(style={"fill": "none", **_style(used)}, path=_path(used.get("d", ""), at))
        elif element.tag == f"{svg}text":
            place = {name: _short(float(element.get(name, "0"))) for name in ("x", "y")}
            turned = element.get("transform", "").startswith("rotate(-90")
            turn = {"transform": f"rotate(-90 {place['x']} {place['y']})"} if turned else {}
            yield _Mark(style={**place, **_style(element), **turn}, text=element.text or "")


def _style(element: ET.Element) -> dict[str, str]:
    """Give a style as attributes of SVG, without what the whole picture has or nobody sees."""
    declared = (declaration.split(":", 1) for declaration in element.get("style", "").split(";") if declaration.strip())
    style = {name.strip(): value.strip() for name, value in declared}
    return {name: value for name, value in sorted(style.items()) if name not in _DROPPED}


def _joined(marks: Iterable[_Mark]) -> Iterator[_Mark]:
    """Join strokes of one style that follow each other; text between them waits, as a stroke never covers text."""
    paths: list[str] = []
    texts: list[_Mark] = []
    style: Mapping[str, str] = {}
    for mark in marks:
        if mark.text:
            texts.append(mark)
            continue
        if mark.style != style or mark.style.get("fill") != "none":
            yield from _flushed(style, paths, texts)
            paths, texts, style = [], [], mark.style
        paths.append(mark.path)
    yield from _flushed(style, paths, texts)


def _flushed(style: Mapping[str, str], paths: list[str], texts: list[_Mark]) -> Iterator[_Mark]:
    if any(paths):
        yield _Mark(style=style, path="".join(paths))
    yield from texts


def _path(data: str, at: tuple[float, float] = (0.0, 0.0)) -> str:
    """Shorten a path of absolute M, L, Q, C and z, moved to `at`; a line to where it begins becomes a dot."""
    steps = []
    here: tuple[int, int] | None = None  # in tenths of a point, so that relative steps do not add up errors
    for command, rest in _STEP.findall(data):
        numbers = [float(number) for number in rest.split()]
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        points = [(round(10 * (x + at[0])), round(10 * (y + at[1]))) for x, y in pairs]
        if command in "ML" and here:
            steps.append(_step(command, here, points[0]))
        else:
            steps.append(command.upper() + " ".join(_pair(*point) for point in points))
        here = points[-1] if points else None
    return "".join(steps)


def _step(command: str, here: tuple[int, int], to: tuple[int, int]) -> str:
    """Give a move or a line, absolute or relative as is shorter."""
    (x, y), (dx, dy) = to, (to[0] - here[0], to[1] - here[1])
    if command == "L" and not dx and dy:
        ways = (f"V{_tenths(y)}", f"v{_tenths(dy)}")
    elif command == "L" and not dy:
        ways = (f"H{_tenths(x)}", f"h{_tenths(dx)}")
    else:
        ways = (f"{command}{_pair(x, y)}", f"{command.lower()}{_pair(dx, dy)}")
    return min(ways, key=len)


def _pair(x: int, y: int) -> str:
    return f"{_tenths(x)}{_tenths(y)}" if y < 0 else f"{_tenths(x)} {_tenths(y)}"


def _tenths(number: int) -> str:
    whole, rest = divmod(abs(number), 10)
    digits = f"{whole or ''}.{rest}" if rest else str(whole)
    return f"-{digits}" if number < 0 else digits


def _short(number: float) -> str:
    return _tenths(round(10 * number))


def _set_text(element: ET.Element, text: str, places: Sequence[str]) -> None:
    place = _PLACE.fullmatch(text)
    if not place:
        element.text = text
        return
    size = float(element.get("font-size", "10px").removesuffix("px"))
    for run in (runs := notation.runs(places[int(place[1])])):
        if len(runs) == 1 and not run.lowered:
            element.text = run.text
        elif run.lowered:
            lowered = {"dy": _short(size * _LOWERED_BY), "font-size": _short(size * _LOWERED_SIZE)}
            ET.SubElement(element, "tspan", lowered).text = run.text
        else:
            raised = {"dy": _short(-size * _LOWERED_BY)} if len(element) else {}
            ET.SubElement(element, "tspan", raised).text = run.text
