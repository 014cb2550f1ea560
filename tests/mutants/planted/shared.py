"""Faults of classes, configuration, devices and plug-ins."""

from __future__ import annotations

from mutants.faults import planted

CLASSES = planted(
    "landcover/classes.py",
    "tests/test_classes.py",
    (
        "red and blue exchanged",
        "red, green, blue = bytes.fromhex(self.color[1:])\n        return red, green, blue",
        "red, green, blue = bytes.fromhex(self.color[1:])\n        return blue, green, red",
    ),
    (
        "255 is a class",
        'return "uint8" if max(self.codes) < 255 else "uint16"',
        'return "uint8" if max(self.codes) <= 255 else "uint16"',
    ),
    (
        "254 needs two bytes",
        'return "uint8" if max(self.codes) < 255 else "uint16"',
        'return "uint8" if max(self.codes) < 254 else "uint16"',
    ),
    ("nodata of two bytes is 255", 'return 255 if self.dtype == "uint8" else 65535', "return 255"),
    ("65535 is a class", "elif max(self.codes) >= 65535:", "elif max(self.codes) > 65535:"),
    (
        "the order of the scheme",
        "return Scheme(scheme_name, tuple(known[name.casefold()] for name in names))",
        "return Scheme(scheme_name, tuple(c for c in scheme(scheme_name) if c.name.casefold() in {n.casefold() for n in names}))",
    ),
    (
        "own classes count from 1",
        "LandClass(i, *pair) for i, pair in enumerate(paired)",
        "LandClass(i, *pair) for i, pair in enumerate(paired, 1)",
    ),
    (
        "colours may repeat",
        "next(color for color in chain(_PALETTE, spread, any_other) if color not in taken)",
        "next(iter(chain(_PALETTE, spread, any_other)))",
    ),
    (
        "codes may repeat",
        'mistakes += [f"code {code} stands for several classes" for code in _repeated(self.codes)]',
        "pass",
    ),
    (
        "colours of two classes exchanged",
        "23:Developed, Medium Intensity:eb0000\n24:Developed, High Intensity:ab0000",
        "23:Developed, Medium Intensity:ab0000\n24:Developed, High Intensity:eb0000",
    ),
    (
        "codes of two classes exchanged",
        "41:Deciduous Forest:68ab5f\n42:Evergreen Forest:1c5f2c",
        "42:Deciduous Forest:68ab5f\n41:Evergreen Forest:1c5f2c",
    ),
    ("one letter of a name", "95:Emergent Herbaceous Wetlands", "95:Emergent Herbaceuos Wetlands"),
    (
        "classes of the guide in the order of codes",
        "30:Barren:b3ac9f|40:Forest:68ab5f|50:Shrub:ccb879\n80:Cultivated:ab6c28|70:Herbaceous:dfdfc2|20:Developed:eb0000",
        "20:Developed:eb0000|30:Barren:b3ac9f|40:Forest:68ab5f\n50:Shrub:ccb879|70:Herbaceous:dfdfc2|80:Cultivated:ab6c28",
    ),
    (
        "colours of two crops exchanged",
        "176:Grassland/Pasture:e9ffbe|190:Woody Wetlands:80b3b3",
        "176:Grassland/Pasture:80b3b3|190:Woody Wetlands:e9ffbe",
    ),
    ("one digit of a crop's colour", "209:Cantaloupes:ff6666", "209:Cantaloupes:ff6667"),
    (
        "a crop's code",
        "246:Radishes:ff6666|247:Turnips:ff6666",
        "247:Radishes:ff6666|246:Turnips:ff6666",
    ),
    (
        "woody wetlands are no forest",
        "**dict.fromkeys((41, 42, 43, 90), 40),",
        "**dict.fromkeys((41, 42, 43), 40),",
    ),
    ("barren is forest", "    31: 30,\n", "    31: 40,\n"),
    (
        "pasture is grass",
        "**dict.fromkeys((81, 82), 80),",
        "**dict.fromkeys((82,), 80),\n    81: 70,",
    ),
    (
        "water has no class of three",
        "for code in (*_NLCD_TO_NLCD6, 11, 12)",
        "for code in (*_NLCD_TO_NLCD6, 12)",
    ),
    (
        "herbaceous is cultivated",
        "{30: 100, 40: 100, 50: 100, 80: 80, 70: 100, 20: 20}",
        "{30: 100, 40: 100, 50: 100, 80: 80, 70: 80, 20: 20}",
    ),
    (
        "JSON forgets colours",
        '{"code": c.code, "name": c.name, "color": c.color} for c in self.classes',
        '{"code": c.code, "name": c.name, "color": "#000000"} for c in self.classes',
    ),
    ("a colour of five digits", r're.compile(r"#[0-9a-f]{6}")', r're.compile(r"#[0-9a-f]{5,6}")'),
)

CONFIG = planted(
    "landcover/config/settings.py",
    "tests/test_config.py",
    (
        "secrets are recorded",
        'redacted_values({**values, "backend"',
        'dict({**values, "backend"',
    ),
    (
        "clients are recorded as they are",
        'return f"{type(value).__module__}.{type(value).__qualname__}"',
        "return repr(value)",
    ),
    (
        "unknown keys pass",
        'frozen=True, extra="forbid", arbitrary_types_allowed=True',
        'frozen=True, extra="ignore", arbitrary_types_allowed=True',
    ),
    (
        "rasters and images",
        "        if bool(self.rasters) == bool(self.images):\n",
        "        if not self.rasters and not self.images:\n",
    ),
    (
        "one failure in ten is fine",
        "at_most: float = Field(0.01, ge=0, le=1)",
        "at_most: float = Field(0.1, ge=0, le=1)",
    ),
    ("labels of rasters", "        if self.labels and self.rasters:\n", "        if False:\n"),
    (
        "resizing of rasters",
        '        if self.resize != "none" and self.rasters:\n',
        "        if False:\n",
    ),
    (
        "a threshold of 1",
        "threshold: float | None = Field(None, gt=0, lt=1)",
        "threshold: float | None = Field(None, ge=0, le=1)",
    ),
)

CONFIG_FILE = planted(
    "landcover/config/reading.py",
    "tests/test_config.py",
    (
        "the environment wins over arguments",
        "later = {**_from_environment(environment, kind), **(overrides or {})}",
        "later = {**(overrides or {}), **_from_environment(environment, kind)}",
    ),
    (
        "paths count from where the command is given",
        "        _anchor(values, base)\n",
        "        pass\n",
    ),
    (
        "URLs are paths",
        'return path if "://" in path else str(base / Path(path).expanduser())',
        "return str(base / Path(path).expanduser())",
    ),
    (
        "the mean image counts from where the command is given",
        'PATHS_OF_A_MODEL = {"path", "mean_image"}',
        'PATHS_OF_A_MODEL = {"path"}',
    ),
    (
        "sections that are none pass",
        "        if section not in known:\n            nearest",
        "        if False:\n            nearest",
    ),
)

DEVICES = planted(
    "landcover/devices.py",
    "tests/test_devices.py",
    (
        "two processes hold one GPU",
        "        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "        pass\n",
    ),
    ("a GPU may be shared", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"),
    (
        "a second GPU is taken",
        "        while _mine is None:\n            for gpu",
        "        while True:\n            for gpu",
    ),
    (
        "a fork keeps its parent's GPU",
        "        os.close(_mine.file)\n        _mine = None\n\n\nos.register_at_fork",
        "        _mine = None\n\n\nos.register_at_fork",
    ),
    ("CUDA's own order", 'told = environment.get("CUDA_VISIBLE_DEVICES")', "told = None"),
    (
        "GPUs after one that there is not",
        "            break\n        found.append(_numbered(match[0], len(found)))",
        "            continue\n        found.append(_numbered(match[0], len(found)))",
    ),
    (
        "ordinals are those of nvidia-smi",
        "_numbered(match[0], len(found))",
        "_numbered(match[0], match[0].index)",
    ),
    (
        "a beginning that means two",
        "if len(match) != 1 or match[0].uuid",
        "if not match or match[0].uuid",
    ),
    (
        "all instances of a divided GPU",
        "            break  # CUDA shows a process one instance, whatever else is named\n",
        "            continue\n",
    ),
    (
        "instances show by themselves",
        "_numbered(gpu, at) for at, gpu in enumerate(whole or there[:1])",
        "_numbered(gpu, at) for at, gpu in enumerate(whole or there)",
    ),
    (
        "Spark's GPUs are forgotten",
        "    if addresses is None:\n        return found\n",
        "    return found\n",
    ),
    (
        "a folder of another user",
        "    if owner != os.getuid() or folder.is_symlink():\n",
        "    if folder.is_symlink():\n",
    ),
    (
        "a folder behind a link",
        "    if owner != os.getuid() or folder.is_symlink():\n",
        "    if owner != os.getuid():\n",
    ),
    ("a folder that others may write", "folder.mkdir(mode=0o700,", "folder.mkdir(mode=0o777,"),
    ("the pid stays of the holder before", "    os.ftruncate(file, 0)\n", ""),
    (
        "a GPU that was let go is held",
        "            os.close(_mine.file)\n            _mine = None",
        "            _mine = None",
    ),
    (
        "the cards of an instance",
        'Gpu(part[2], f"{name} MIG {part[1]}", -1, last.index)',
        'Gpu(part[2], f"{name} MIG {part[1]}", -1, len(found))',
    ),
)

PLUGINS = planted(
    "landcover/plugins.py",
    "tests/test_plugins.py",
    (
        "any module that is missing is an extra",
        '    if module.split(".")[0] == point.module.split(".")[0]:\n        return error\n',
        "",
    ),
    (
        "unknown options are passed over",
        "    unknown = sorted(options.keys() - known)\n",
        "    unknown = []\n",
    ),
    (
        "of two of one name the first is taken",
        "        if other.value != point.value:\n",
        "        if False:\n",
    ),
    ("the name of a library for that of the extra", "point.name, module)", "module, module)"),
)

REDACTION = planted(
    "landcover/redaction.py",
    "tests/test_redaction.py tests/test_config.py",
    ("containers are user info", "if scheme.lower() in _CONTAINER_BEFORE_AT and", "if False and"),
    ("a password before a host", 'and ":" not in user:', "and True:"),
    (
        "values under the names of secrets",
        "HIDDEN if value and _SECRET_NAME.search(name) else ",
        "",
    ),
    ("lists may hold secrets", "[redacted_values(item, name) for item in value]", "list(value)"),
    (
        "what the environment holds as a secret",
        "        text = text.replace(value, HIDDEN)\n",
        "        pass\n",
    ),
    ("assignments", "    text = _unassigned(text)\n", ""),
    ("bearers", 'return _BEARER.sub(rf"\\1 {HIDDEN}", text)', "return text"),
    ("URLs", "    text = _URL.sub(lambda found: _bare(found[0]), text)\n", ""),
)
