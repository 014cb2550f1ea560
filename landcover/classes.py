"""Class schemes: codes, names and colours of land cover, and crosswalks between schemes.

Sources: the NLCD legend of the Multi-Resolution Land Characteristics Consortium
(https://www.mrlc.gov/data/legends/national-land-cover-database-class-legend-and-description); the
legend of the USDA NASS Cropland Data Layer (https://www.nass.usda.gov/Research_and_Science/Cropland,
no copyright restrictions); the groups of Microsoft's 2017 guide *Embarrassingly Parallel Image
Classification*: six classes, of which its maps of Middlesex County show three (developed: NLCD 21
to 24, cultivated: 81 and 82, undeveloped: all others).
"""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, Literal

from landcover.errors import ConfigError
from landcover.redaction import printable, shortened

LONGEST_NAME: Final = 500
"""Characters of what a class, a zone or a stratum is called: it is printed, drawn and written down."""

_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class LandClass:
    """One class.

    Args:
        code: its number in maps and tables, from 0.
        name: unique within its scheme.
        color: "#rrggbb".

    Raises:
        TypeError: if the code is no whole number, or the name no text.
        ValueError: if the colour is not of the form "#rrggbb" or the code is negative.
    """

    code: int
    name: str
    color: str

    def __post_init__(self) -> None:
        # Files of anyone say them; as an index of an array, true and 2.0 are no numbers.
        if type(self.code) is not int:
            raise TypeError(f"class {self.name!r}: code {self.code!r} is no whole number")
        if not isinstance(self.name, str):
            raise TypeError(f"class {self.code}: its name {self.name!r} is no text")
        if not _COLOR.fullmatch(self.color):
            raise ValueError(f"class {self.name!r}: colour {self.color!r} is not '#rrggbb'")
        if self.code < 0:
            raise ValueError(f"class {self.name!r}: code {self.code} is negative")

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.color[1:])
        return red, green, blue


@dataclass(frozen=True)
class Scheme:
    """A set of classes, in the order of a network's output where one belongs to it.

    Args:
        name: the scheme's name, "model" for the classes of a model that names its own.
        classes: no two with the same code or name.

    Raises:
        ConfigError: if two classes share a code or a name, a name holds control characters, there
            are none, or a code is too large for a map.
    """

    name: str
    classes: tuple[LandClass, ...]

    def __post_init__(self) -> None:
        mistakes = [f"class {name!r} is named more than once" for name in _repeated(self.names)]
        mistakes += [f"code {code} stands for several classes" for code in _repeated(self.codes)]
        mistakes += [
            f"the name {name!r} holds control characters"
            for name in self.names
            if printable(name) != name or "\n" in name or "\t" in name
        ]
        mistakes += [
            f"the name {shortened(repr(name), 50)} has {len(name):,} characters; the most is {LONGEST_NAME}"
            for name in self.names
            if len(name) > LONGEST_NAME
        ]
        if not self.classes:
            mistakes.append("there are no classes")
        elif max(self.codes) >= 65535:
            mistakes.append(f"code {max(self.codes)} is too large: maps hold codes up to 65534")
        if mistakes:
            raise ConfigError(mistakes, f"classes of scheme {self.name!r}")

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LandClass]:
        return iter(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the classes."""
        return tuple(item.name for item in self.classes)

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes, in the order of the classes."""
        return tuple(item.code for item in self.classes)

    @cached_property
    def by_code(self) -> Mapping[int, LandClass]:
        """The classes by their codes."""
        return {item.code: item for item in self.classes}

    @cached_property
    def by_name(self) -> Mapping[str, LandClass]:
        """The classes by their names."""
        return {item.name: item for item in self.classes}

    @cached_property
    def by_label(self) -> Mapping[str, LandClass]:
        """The classes by what folders and tables call them: their names in lower case, their codes."""
        by_code = {str(item.code): item for item in self.classes}
        return {**by_code, **{item.name.casefold(): item for item in self.classes}}

    @property
    def dtype(self) -> Literal["uint8", "uint16"]:
        """What a map of these classes is stored as: uint8 wherever all codes are below 255."""
        return "uint8" if max(self.codes) < 255 else "uint16"

    @property
    def nodata(self) -> int:
        """What a map holds where there is no class: 255, or 65535 in a uint16 map."""
        return 255 if self.dtype == "uint8" else 65535

    def to_json(self) -> dict[str, Any]:
        """The scheme as plain JSON values, which :meth:`from_json` reads back."""
        classes = [{"code": c.code, "name": c.name, "color": c.color} for c in self.classes]
        return {"name": self.name, "classes": classes}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Scheme:
        """Read what :meth:`to_json` wrote.

        Raises:
            ConfigError, KeyError, TypeError, ValueError: it did not.
        """
        if not isinstance(values["name"], str):
            raise TypeError(f"the scheme's name {values['name']!r} is no text")
        return cls(values["name"], tuple(LandClass(**item) for item in values["classes"]))


def scheme_names() -> list[str]:
    """The names of all schemes, sorted."""
    return sorted(_LEGENDS)


@cache
def scheme(name: str) -> Scheme:
    """Return a scheme by its name.

    ``nlcd``: the 20 classes of the NLCD legend with their official codes and colours (51 and 72 to
    74 occur in Alaska only). ``nlcd6``: the classes of the 2017 guide in the order of its networks'
    outputs; their codes are the decades of the NLCD (20 stands for 21 to 24). ``nlcd3``: developed,
    cultivated and all else; 100 is none of the NLCD's decades, for it gathers several. ``cdl``: the
    Cropland Data Layer, without 0 (background) and without 64 and 65, which the CDL gave up for 152
    and 131 of the same names.

    Raises:
        ConfigError: if there is no such scheme.
    """
    if name not in _LEGENDS:
        known = ", ".join(scheme_names())
        raise ConfigError([f"no scheme is called {name!r}; there are {known}"], "classes")
    entries = (entry.split(":") for line in _LEGENDS[name].split("\n") for entry in line.split("|"))
    classes = (LandClass(int(code), text, f"#{color}") for code, text, color in entries)
    return Scheme(name, tuple(classes))


def crosswalk(source: str, target: str) -> Mapping[int, int]:
    """Return the codes of one scheme by the codes of another, more detailed one.

    ``nlcd`` to ``nlcd6`` (groups of the 2017 guide: woody wetlands, 90, count as forest, and
    herbaceous ones, 95, as herbaceous; water and ice, 11 and 12, have no class and are absent),
    ``nlcd`` and ``nlcd6`` to ``nlcd3`` (complete).

    Raises:
        ConfigError: if there is no crosswalk between the two.
    """
    if (source, target) not in _CROSSWALKS:
        known = ", ".join(f"{a} to {b}" for a, b in _CROSSWALKS)
        raise ConfigError([f"no crosswalk from {source!r} to {target!r}; there are {known}"])
    return _CROSSWALKS[source, target]


def classes_of(names: Sequence[str], scheme_name: str | None = None) -> Scheme:
    """Return the classes that a model names, in its order.

    Args:
        names: one for each of the model's outputs.
        scheme_name: the scheme that the names are taken from, which then gives codes and colours;
            None for names of the model's own: a class then has its index as its code, and a colour
            that suits its name ("water" is blue) or, failing that, one of a palette.

    Raises:
        ConfigError: if a name occurs twice, or is not in the scheme.
    """
    if scheme_name is None:
        paired = zip(names, _colors(names), strict=True)
        return Scheme("model", tuple(LandClass(i, *pair) for i, pair in enumerate(paired)))
    known = {item.name.casefold(): item for item in scheme(scheme_name)}
    unknown = [name for name in names if name.casefold() not in known]
    if unknown:
        listed = ", ".join(scheme(scheme_name).names[:8]) + (", ..." if len(known) > 8 else "")
        sentences = [f"scheme {scheme_name!r} ({listed}) has no class {name!r}" for name in unknown]
        raise ConfigError(sentences, "classes")
    return Scheme(scheme_name, tuple(known[name.casefold()] for name in names))


def _repeated(values: Sequence[Any]) -> list[Any]:
    return sorted(value for value, times in Counter(values).items() if times > 1)


def _colors(names: Sequence[str]) -> list[str]:
    """A colour for each name, all different."""
    taken: dict[str, None] = {}
    for index, name in enumerate(names):
        wanted = _color_of_words(name)
        candidates = _shades(wanted) if wanted else iter(())
        color = next((c for c in candidates if c not in taken), None) or _free(index, taken)
        taken[color] = None
    return list(taken)


def _color_of_words(name: str) -> str | None:
    """The colour of the first well-known word: "SeaLake" and "sea_lake" are sea and lake."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    found = (c for word in words for stem, c in _WORDS.items() if word.lower().startswith(stem))
    return next(found, None)


def _shades(color: str) -> Iterator[str]:
    red, green, blue = (part / 255 for part in bytes.fromhex(color[1:]))
    hue, light, full = colorsys.rgb_to_hls(red, green, blue)
    for factor in (1.0, 1.35, 0.65, 1.6):
        yield _hex(hue, min(light * factor, 0.92), full)


def _free(index: int, taken: Mapping[str, None]) -> str:
    """A colour nobody has yet: of the palette, then hues a golden section apart, then any."""
    turns = range(len(taken) + 1)
    hues = (((index + turn) * 0.618034) % 1 for turn in turns if len(taken) < _HUES)
    spread = (_hex(hue, 0.35 + 0.3 * ((index // 7) % 2), 0.6) for hue in hues)
    # An odd factor finds another one of all 2**24 colours at each turn.
    any_other = (f"#{(index + turn) * 0x9E3779 % 2**24:06x}" for turn in turns)
    return next(color for color in chain(_PALETTE, spread, any_other) if color not in taken)


def _hex(hue: float, light: float, full: float) -> str:
    return "#" + bytes(round(part * 255) for part in colorsys.hls_to_rgb(hue, light, full)).hex()


# Hues of one lightness that differ in eight bits a colour are about as many.
_HUES = 1293

# Beginnings of words and the NLCD colour of what they mean; the first that fits decides.
_WORDS = {
    **dict.fromkeys(("water", "river", "lake", "sea", "ocean", "pond", "stream"), "#466b9f"),
    **dict.fromkeys(("ice", "snow", "glacier"), "#d1def8"),
    **dict.fromkeys(("wetland", "marsh", "swamp", "bog"), "#6c9fb8"),
    **dict.fromkeys(("forest", "tree", "wood", "deciduous", "evergreen"), "#38814e"),
    **dict.fromkeys(("shrub", "scrub", "bush"), "#ccb879"),
    **dict.fromkeys(("grass", "herb", "meadow", "lawn", "vegetation", "undeveloped"), "#a5c76b"),
    **dict.fromkeys(("pasture", "hay"), "#dcd939"),
    **dict.fromkeys(("cultivat", "crop", "agricult", "farm", "annual", "permanent"), "#ab6c28"),
    **dict.fromkeys(("develop", "urban", "built", "building", "residential"), "#eb0000"),
    **dict.fromkeys(("impervious", "road", "highway", "paved", "pavement"), "#8c8c8c"),
    **dict.fromkeys(("industrial", "commercial"), "#ab0000"),
    **dict.fromkeys(("barren", "bare", "sand", "rock", "soil", "clay"), "#b3ac9f"),
    **dict.fromkeys(("unknown", "other", "background", "unlabel", "unclassified"), "#cccccc"),
}

# Twelve colours that are told apart on white (the qualitative "Paired" colours of ColorBrewer).
_PALETTE = (
    *("#1f78b4", "#ff7f00", "#33a02c", "#e31a1c", "#6a3d9a", "#b15928"),
    *("#a6cee3", "#fdbf6f", "#b2df8a", "#fb9a99", "#cab2d6", "#ffd92f"),
)

_LEGENDS = {
    "nlcd": """\
11:Open Water:466b9f|12:Perennial Ice/Snow:d1def8|21:Developed, Open Space:dec5c5
22:Developed, Low Intensity:d99282|23:Developed, Medium Intensity:eb0000
24:Developed, High Intensity:ab0000|31:Barren Land:b3ac9f|41:Deciduous Forest:68ab5f
42:Evergreen Forest:1c5f2c|43:Mixed Forest:b5c58f|51:Dwarf Scrub:af963c|52:Shrub/Scrub:ccb879
71:Grassland/Herbaceous:dfdfc2|72:Sedge/Herbaceous:d1d182|73:Lichens:a3cc51|74:Moss:82ba9e
81:Pasture/Hay:dcd939|82:Cultivated Crops:ab6c28|90:Woody Wetlands:b8d9eb
95:Emergent Herbaceous Wetlands:6c9fb8""",
    # The colours of NLCD 31, 41, 52, 82, 71 and 23.
    "nlcd6": """\
30:Barren:b3ac9f|40:Forest:68ab5f|50:Shrub:ccb879
80:Cultivated:ab6c28|70:Herbaceous:dfdfc2|20:Developed:eb0000""",
    "nlcd3": "20:Developed:eb0000|80:Cultivated:ab6c28|100:Undeveloped:68ab5f",
    "cdl": """\
1:Corn:ffd400|2:Cotton:ff2626|3:Rice:00a9e6|4:Sorghum:ff9e0f|5:Soybeans:267300|6:Sunflower:ffff00
10:Peanuts:70a800|11:Tobacco:00af4d|12:Sweet Corn:e0a60f|13:Pop or Orn Corn:e0a60f|14:Mint:80d4ff
21:Barley:e2007f|22:Durum Wheat:8a6453|23:Spring Wheat:d9b56c|24:Winter Wheat:a87000
25:Other Small Grains:d69dbc|26:Dbl Crop WinWht/Soybeans:737300|27:Rye:ae017e|28:Oats:a15889
29:Millet:73004c|30:Speltz:d69dbc|31:Canola:d1ff00|32:Flaxseed:8099ff|33:Safflower:d6d600
34:Rape Seed:d1ff00|35:Mustard:00af4d|36:Alfalfa:ffa8e3|37:Other Hay/Non Alfalfa:a5f58d
38:Camelina:00af4d|39:Buckwheat:d69dbc|41:Sugarbeets:a900e6|42:Dry Beans:a80000|43:Potatoes:732600
44:Other Crops:00af4d|45:Sugarcane:b380ff|46:Sweet Potatoes:732600|47:Misc Vegs & Fruits:ff6666
48:Watermelons:ff6666|49:Onions:ffcc66|50:Cucumbers:ff6666|51:Chick Peas:00af4d|52:Lentils:00deb0
53:Peas:55ff00|54:Tomatoes:f5a27a|55:Caneberries:ff6666|56:Hops:00af4d|57:Herbs:80d4ff
58:Clover/Wildflowers:e8beff|59:Sod/Grass Seed:b2ffde|60:Switchgrass:00af4d
61:Fallow/Idle Cropland:bfbf7a|63:Forest:95ce93|66:Cherries:ff00ff|67:Peaches:ff91ab|68:Apples:b90050
69:Grapes:704489|70:Christmas Trees:007878|71:Other Tree Crops:b39c70|72:Citrus:ffff80
74:Pecans:b6705c|75:Almonds:00a884|76:Walnuts:ebd6b0|77:Pears:b39c70|81:Clouds/No Data:f7f7f7
82:Developed:9c9c9c|83:Water:4d70a3|87:Wetlands:80b3b3|88:Nonag/Undefined:e9ffbe
92:Aquaculture:00ffff|111:Open Water:4d70a3|112:Perennial Ice/Snow:d4e3fc
121:Developed/Open Space:9c9c9c|122:Developed/Low Intensity:9c9c9c
123:Developed/Med Intensity:9c9c9c|124:Developed/High Intensity:9c9c9c|131:Barren:ccbfa3
141:Deciduous Forest:95ce93|142:Evergreen Forest:95ce93|143:Mixed Forest:95ce93
152:Shrubland:c7d79e|176:Grassland/Pasture:e9ffbe|190:Woody Wetlands:80b3b3
195:Herbaceous Wetlands:80b3b3|204:Pistachios:00ff8c|205:Triticale:d69dbc|206:Carrots:ff6666
207:Asparagus:ff6666|208:Garlic:ff6666|209:Cantaloupes:ff6666|210:Prunes:ff91ab|211:Olives:344a34
212:Oranges:e67525|213:Honeydew Melons:ff6666|214:Broccoli:ff6666|215:Avocados:66994d
216:Peppers:ff6666|217:Pomegranates:b39c70|218:Nectarines:ff91ab|219:Greens:ff6666|220:Plums:ff91ab
221:Strawberries:ff6666|222:Squash:ff6666|223:Apricots:ff91ab|224:Vetch:00af4d
225:Dbl Crop WinWht/Corn:ffd400|226:Dbl Crop Oats/Corn:ffd400|227:Lettuce:ff6666
228:Dbl Crop Triticale/Corn:ffd400|229:Pumpkins:ff6666|230:Dbl Crop Lettuce/Durum Wht:8a6453
231:Dbl Crop Lettuce/Cantaloupe:ff6666|232:Dbl Crop Lettuce/Cotton:ff2626
233:Dbl Crop Lettuce/Barley:e2007f|234:Dbl Crop Durum Wht/Sorghum:ff9e0f
235:Dbl Crop Barley/Sorghum:ff9e0f|236:Dbl Crop WinWht/Sorghum:a87000
237:Dbl Crop Barley/Corn:ffd400|238:Dbl Crop WinWht/Cotton:a87000
239:Dbl Crop Soybeans/Cotton:267300|240:Dbl Crop Soybeans/Oats:267300
241:Dbl Crop Corn/Soybeans:ffd400|242:Blueberries:000099|243:Cabbage:ff6666|244:Cauliflower:ff6666
245:Celery:ff6666|246:Radishes:ff6666|247:Turnips:ff6666|248:Eggplants:ff6666|249:Gourds:ff6666
250:Cranberries:ff6666|254:Dbl Crop Barley/Soybeans:267300""",
}

_NLCD_TO_NLCD6 = {
    **dict.fromkeys((21, 22, 23, 24), 20),
    31: 30,
    **dict.fromkeys((41, 42, 43, 90), 40),
    **dict.fromkeys((51, 52), 50),
    **dict.fromkeys((71, 72, 73, 74, 95), 70),
    **dict.fromkeys((81, 82), 80),
}
_NLCD6_TO_NLCD3 = {30: 100, 40: 100, 50: 100, 80: 80, 70: 100, 20: 20}
_CROSSWALKS: Mapping[tuple[str, str], Mapping[int, int]] = {
    ("nlcd", "nlcd6"): MappingProxyType(_NLCD_TO_NLCD6),
    ("nlcd6", "nlcd3"): MappingProxyType(_NLCD6_TO_NLCD3),
    ("nlcd", "nlcd3"): MappingProxyType(
        {
            code: _NLCD6_TO_NLCD3.get(_NLCD_TO_NLCD6.get(code, 0), 100)
            for code in (*_NLCD_TO_NLCD6, 11, 12)
        }
    ),
}
