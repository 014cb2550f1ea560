"""Changes of good files that know what they are made of: fields, keys, tags and chunks, with lengths and sums put right.

A flipped bit of a file is mostly found by the first sum or length that is looked at. What is changed here
passes those, so that what lies behind them is tried.
"""

from __future__ import annotations

import copy
import io
import json
import math
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from hostile.mutating import mutated

_NUMBERS = (0, 1, -1, 2, 7, 255, 2**15, 2**16, 2**31 - 1, -(2**31), 2**32, 2**53, 2**62, -(2**62))
_FLOATS = (0.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))
_TEXTS = (
    *("", "x", "../../x", "/etc/passwd", "http://127.0.0.1:9/x", "\x1b[2J", "%s%n", "x" * 5000),
    *("\u202e", "\x00", "0", "nan", "None", "[]", "/dev/zero"),
)


def any_value(draw: random.Random, depth: int = 2) -> Any:
    """Whatever JSON may hold."""
    kind = draw.randrange(8 if depth else 5)
    if kind < 5:
        plain = (None, draw.random() < 0.5, draw.choice(_NUMBERS), draw.choice(_FLOATS))
        return (*plain, draw.choice(_TEXTS))[kind]
    inner = [any_value(draw, depth - 1) for _ in range(draw.randrange(4))]
    return inner if kind < 7 else {draw.choice(_TEXTS): one for one in inner}


def tree(values: Any, draw: random.Random) -> Any:
    """A tree of JSON with one to three of its values changed, taken out, doubled or put elsewhere."""
    values = copy.deepcopy(values)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(values))
        if not places:
            return any_value(draw)
        holder, key = draw.choice(places)
        match draw.randrange(5):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[draw.choice(_TEXTS)] = holder.pop(key)
            case 2 if isinstance(holder, list):
                holder.extend(copy.deepcopy(holder[key]) for _ in range(draw.choice((1, 2, 50))))
            case 3:
                other, there = draw.choice(places)
                holder[key] = copy.deepcopy(other[there])
            case _:
                holder[key] = any_value(draw)
    return values


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree, as what holds it and the key."""
    waiting = [values]
    while waiting:
        holder = waiting.pop()
        if not isinstance(holder, (dict, list)):
            continue
        pairs = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, value in list(pairs):
            yield holder, key
            waiting.append(value)


def message(found: Message, draw: random.Random) -> bytes:
    """A message of protobuf with one to three of its fields changed, wherever they sit."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        held = list(_fields(found))
        if held:
            _change(*draw.choice(held), draw)
    return found.SerializeToString()


def _fields(found: Message) -> Iterator[tuple[Message, FieldDescriptor]]:
    waiting = [found]
    while waiting:
        one = waiting.pop()
        for field, value in one.ListFields():
            yield one, field
            if field.type != FieldDescriptor.TYPE_MESSAGE:
                continue
            if _is_map(field):
                continue
            waiting.extend(list(value)[:64] if _many(field) else [value])


def _many(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _change(holder: Message, field: FieldDescriptor, draw: random.Random) -> None:
    """Clear a field, double what it holds, or give it another value."""
    if field.type == FieldDescriptor.TYPE_MESSAGE or draw.random() < 0.2:
        if _many(field) and not _is_map(field) and draw.random() < 0.6:
            held = getattr(holder, field.name)
            several = list(held) * draw.choice((1, 1, 20))
            draw.shuffle(several)
            kept = [copy.deepcopy(one) for one in several]
            del held[:]
            held.extend(kept)
        else:
            holder.ClearField(field.name)
        return
    value = _value(field, draw)
    try:
        if not _many(field):
            setattr(holder, field.name, value)
        elif held := getattr(holder, field.name):
            held[draw.randrange(len(held))] = value
    except (ValueError, TypeError):  # beyond what the field can hold
        holder.ClearField(field.name)


def _value(field: FieldDescriptor, draw: random.Random) -> Any:
    kinds = FieldDescriptor
    if field.type == kinds.TYPE_STRING:
        return draw.choice(_TEXTS)
    if field.type == kinds.TYPE_BYTES:
        return draw.randbytes(draw.choice((0, 1, 3, 4, 1000)))
    if field.type == kinds.TYPE_BOOL:
        return draw.random() < 0.5
    if field.type in (kinds.TYPE_FLOAT, kinds.TYPE_DOUBLE):
        return draw.choice(_FLOATS)
    if field.type == kinds.TYPE_ENUM:
        return draw.randrange(30)
    return draw.choice(_NUMBERS)


def keras(content: bytes, draw: random.Random) -> bytes:
    """A ``.keras`` file with its description changed, or its weights."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if draw.random() < 0.8:
        members["config.json"] = json.dumps(tree(json.loads(members["config.json"]), draw)).encode()
    else:
        name = draw.choice(sorted(members))
        members[name] = mutated(members[name], draw.randrange(2**30))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, inner in members.items():
            archive.writestr(name, inner)
    return held.getvalue()


def keras_hdf5(content: bytes, draw: random.Random) -> bytes:
    """A Keras model in HDF5 with its description changed, its weights, or bytes anywhere."""
    if draw.random() < 0.1:
        return mutated(content, draw.randrange(2**30))
    held = io.BytesIO(content)
    with h5py.File(held, "r+") as stream:
        if draw.random() < 0.75:
            told = json.loads(stream.attrs["model_config"])
            stream.attrs["model_config"] = json.dumps(tree(told, draw)).encode()
        else:
            _change_hdf5(stream, draw)
    return held.getvalue()


def _change_hdf5(stream: h5py.File, draw: random.Random) -> None:
    """Take out, link, retype or resize a group or dataset, or change an attribute of one."""
    names: list[str] = []
    stream.visit(names.append)
    name = draw.choice(names)
    parent, _, own = name.rpartition("/")
    match draw.randrange(6):
        case 0:
            del stream[name]
        case 1:
            del stream[name]
            stream[name] = h5py.SoftLink(draw.choice(("/", f"/{name}", f"/{draw.choice(names)}")))
        case 2:
            del stream[name]
            stream[name] = h5py.ExternalLink(draw.choice(("net.h5", "../../x", "/dev/zero")), "/")
        case 3:
            del stream[name]
            shape = draw.choice(((), (0,), (1,), (3, 3, 3, 4), (2**20, 2**20), (2**40,)))
            kind = draw.choice(("f4", "f8", "i1", "i8", "S8", "c8", h5py.string_dtype()))
            stream.create_dataset(name, shape, kind, chunks=math.prod(shape) > 2**20 or None)
        case 4:
            stream[parent or "/"].move(own, draw.choice(("x", "0", "\u202e", "x" * 5000)))
        case _:
            several = [one for one in (stream, *map(stream.get, names)) if one.attrs]
            holder = draw.choice(several).attrs
            key = draw.choice(sorted(holder))
            value = any_value(draw, 0)
            holder[key] = draw.choice((0, [b"x"] * 3, str(value).replace("\0", ""), b"\xff\xfe"))


def tiff(content: bytes, draw: random.Random) -> bytes:
    """A TIFF with the number, type, count or value of some of its tags changed."""
    found = bytearray(content)
    order = "<" if found[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", found, 4)
    (count,) = struct.unpack_from(order + "H", found, start)
    for _ in range(draw.choice((1, 1, 2, 3))):
        at = start + 2 + 12 * draw.randrange(count)
        where, form, values = draw.choice(
            (
                (0, "H", (254, 256, 257, 258, 259, 273, 277, 279, 284, 317, 320, 322, 339, 347)),
                (2, "H", tuple(range(20))),
                (4, "I", (0, 1, 2, 3, 2**16, 2**28, 2**32 - 1)),
                (8, "I", (0, 1, 2, 3, 5, 7, 8, 64, 2**15, 2**16, 2**28, 2**31, 2**32 - 1)),
                (8, "H", (0, 1, 2, 3, 5, 6, 7, 8, 16, 32773, 50000, 2**16 - 1)),
            )
        )
        struct.pack_into(order + form, found, at + where, draw.choice(values))
    return bytes(found)


def png(content: bytes, draw: random.Random) -> bytes:
    """A PNG with chunks changed, taken out, doubled or put elsewhere, each with the right sum."""
    chunks, at = [], 8
    while at + 8 <= len(content):
        (size,) = struct.unpack_from(">I", content, at)
        chunks.append([content[at + 4 : at + 8], content[at + 8 : at + 8 + size]])
        at += size + 12
    for _ in range(draw.choice((1, 1, 2, 3))):
        one = draw.randrange(len(chunks))
        match draw.randrange(5):
            case 0:
                chunks[one][1] = mutated(chunks[one][1], draw.randrange(2**30))
            case 1:
                chunks.insert(draw.randrange(len(chunks)), list(chunks[one]))
            case 2 if len(chunks) > 1:
                del chunks[one]
            case 3:
                kinds = (b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"acTL", b"eXIf")
                data = (b"", draw.randbytes(30), zlib.compress(b"\0" * 100_000))
                chunks.insert(one, [draw.choice(kinds), draw.choice(data)])
            case _:
                head = bytearray(chunks[0][1].ljust(13, b"\0"))
                head[draw.randrange(13)] = draw.choice((0, 1, 2, 3, 4, 8, 16, 127, 255))
                chunks[0][1] = bytes(head)
    parts = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return content[:8] + b"".join(parts)


def jpeg(content: bytes, draw: random.Random) -> bytes:
    """A JPEG with segments changed, taken out, doubled or put elsewhere, each with its length."""
    segments, at = [], 2
    while content[at] == 0xFF and content[at + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", content, at + 2)
        segments.append([content[at + 1], content[at + 4 : at + 2 + size]])
        at += 2 + size
    scan = content[at:]
    for _ in range(draw.choice((1, 1, 2, 3))):
        one = draw.randrange(len(segments))
        match draw.randrange(5):
            case 0:
                segments[one][1] = mutated(segments[one][1], draw.randrange(2**30))[:65_000]
            case 1:
                segments.insert(draw.randrange(len(segments)), list(segments[one]))
            case 2 if len(segments) > 1:
                del segments[one]
            case 3:
                segments[one][0] = draw.choice(
                    (0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xE0, 0xE1, 0xEE)
                )
            case _:
                scan = mutated(scan, draw.randrange(2**30))
    parts = (
        bytes([0xFF, kind]) + struct.pack(">H", len(data) + 2) + data for kind, data in segments
    )
    return content[:2] + b"".join(parts) + scan


def parquet(content: bytes, draw: random.Random) -> bytes:
    """A table with values, types, columns or metadata changed, or bytes of its footer."""
    if draw.random() < 0.4:
        (size,) = struct.unpack_from("<I", content, len(content) - 8)
        footer = mutated(content[-8 - size : -8], draw.randrange(2**30))
        return content[: -8 - size] + footer + struct.pack("<I", len(footer)) + b"PAR1"
    table = pq.read_table(io.BytesIO(content))
    for _ in range(draw.choice((1, 1, 2, 3))):
        table = _column(table, draw)
    held = io.BytesIO()
    pq.write_table(table, held)
    return held.getvalue()


def _json(text: bytes) -> Any:
    """What a text in JSON stands for; of one that was changed before, which is none any more, nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def _column(table: pa.Table, draw: random.Random) -> pa.Table:
    at = draw.randrange(table.num_columns)
    name, values = table.column_names[at], table.column(at).to_pylist()
    match draw.randrange(5):
        case 0 if table.num_columns > 1:
            return table.remove_column(at)
        case 1:
            said = {
                key: mutated(text, draw.randrange(2**30))
                for key, text in (table.schema.metadata or {}).items()
            }
            return table.replace_schema_metadata(said)
        case 2:
            told = _json((table.schema.metadata or {}).get(b"landcover", b"{}"))
            own = {b"landcover": json.dumps(tree(told, draw)).encode()}
            return table.replace_schema_metadata({**(table.schema.metadata or {}), **own})
        case 3:
            other = [any_value(draw, 0) for _ in values]
        case _:
            other = list(values)
            other[draw.randrange(len(other))] = any_value(draw, 0)
    for form in (table.schema.field(at).type, None, pa.string()):
        try:
            held = [str(one) for one in other] if form == pa.string() else other
            return table.set_column(at, name, pa.array(held, form))
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            continue
    return table
