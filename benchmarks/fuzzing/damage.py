"""Damage of formats that have a structure of their own."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zlib
from random import Random
from typing import Any

from mutations import damaged_bytes, damaged_data, structured, text_damage

MARK = "executed"
"""The file that planted payloads would make, in the working folder."""


class Payload:
    """What an attacker plants in a pickle: reading it would make a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {MARK}",))


def _load_yaml(content: bytes) -> Any:
    import yaml

    return yaml.safe_load(content)


def _dump_yaml(data: Any) -> bytes:
    import yaml

    return yaml.safe_dump(data, sort_keys=False).encode()


_structured_yaml = structured(_load_yaml, _dump_yaml)
_YAML_TRICKS = (
    b"a: &a [*a]\n",
    b"<<: 3\n",
    b"<<: [3, 4]\n",
    b"epochs: !!bool maybe\n",
    b"epochs: !!timestamp x\n",
    b"epochs: !!python/object/apply:os.system ['touch executed']\n",
    b"? [a, b]\n: 3\n",
    b"? {a: 1}\n: 3\n",
    b"epochs: " + b"[" * 3000,
    b"a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
    b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n",
    b"--- a\n--- b\n",
    b"!!binary: x\n",
    b"%YAML 9.9\n---\na: 1\n",
)


def yaml_damage(content: bytes, random: Random) -> bytes:
    if random.random() < 0.1:
        return random.choice((content, b"")) + random.choice(_YAML_TRICKS)
    if random.random() < 0.3:
        return text_damage(content, random)
    return _structured_yaml(content, random)


_HEADERS = (
    b"(24, 32, 1000000000)",
    b"(-1, 32, 5)",
    b"()",
    b"(0, 32, 5)",
    b"(24, 32)",
    b"(1, 24, 32, 5)",
    b"(True, 32, 5)",
    b"[24, 32, 5]",
    b"(9" + b"9" * 400 + b",)",
)
_KINDS = (b"|O", b"|V8", b"<U7", b"<c8", b"<M8[s]", b">f8", b"<i8", b"|b1", b"<f2", b"|S1", b"<u2,<u2")


def npy_damage(content: bytes, random: Random) -> bytes:
    """Damage the header of an array, or bytes."""
    kind = random.random()
    if kind < 0.4:
        return damaged_bytes(content, random)
    start = content.index(b"{")
    header, rest = content[start : content.index(b"\n")], content[content.index(b"\n") + 1 :]
    if kind < 0.6:
        header = header.replace(b"(24, 32, 5)", random.choice(_HEADERS))
    elif kind < 0.8:
        header = header.replace(b"<u2", random.choice(_KINDS))
    else:
        header = text_damage(header, random)
    if random.random() < 0.2:
        rest += pickle.dumps([Payload()])
    header = (header.rstrip() + b"\n")[:65535]
    return content[: start - 2] + struct.pack("<H", len(header)) + header + rest


_TAIL = struct.Struct("<QQI8s")


def stored_damage(content: bytes, random: Random) -> bytes:
    """Damage bytes of stored frames, or their description with a checksum that is right."""
    if random.random() < 0.5:
        return damaged_bytes(content, random)
    frames, length, _, mark = _TAIL.unpack(content[-_TAIL.size :])
    end = len(content) - _TAIL.size
    start = end - length - 16 * frames
    table, description = content[start : end - length], content[end - length : end]
    if random.random() < 0.3:
        table = damaged_bytes(table, random)
        frames = random.choice((frames, len(table) // 16, 2**63))
    else:
        description = json.dumps(damaged_data(json.loads(description), random)).encode()
    facts = table + description
    return content[:start] + facts + _TAIL.pack(frames, len(description), zlib.crc32(facts), mark)


_KEPT_TAIL = struct.Struct("<QII8s")


def kept_damage(content: bytes, random: Random) -> bytes:
    """Damage bytes of kept pictures, or their description with a checksum that is right."""
    if random.random() < 0.5:
        return damaged_bytes(content, random)
    length, _, pixels, mark = _KEPT_TAIL.unpack(content[-_KEPT_TAIL.size :])
    start = len(content) - _KEPT_TAIL.size - length
    facts = damaged_data(json.loads(content[start : start + length]), random)
    text = json.dumps(facts).encode()
    return content[:start] + text + _KEPT_TAIL.pack(len(text), zlib.crc32(text), pixels, mark)


def model_damage(content: bytes, random: Random) -> bytes:
    """Damage the header, the description inside it, or bytes."""
    kind = random.random()
    if kind < 0.3:
        return damaged_bytes(content, random)
    (length,) = struct.unpack("<Q", content[:8])
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    if kind < 0.8:
        facts = json.loads(header["__metadata__"]["autodas"])
        header["__metadata__"]["autodas"] = json.dumps(damaged_data(facts, random))
    else:
        header = damaged_data(header, random)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def checkpoint_damage(content: bytes, random: Random) -> bytes:
    """Damage the state, plant a payload, or damage bytes."""
    import torch

    kind = random.random()
    if kind < 0.35:
        return damaged_bytes(content, random)
    whole = torch.load(io.BytesIO(content), weights_only=True)
    if kind < 0.45:
        place = whole["state"]
        while random.random() < 0.5 and isinstance(place, dict) and place:
            inside = place[random.choice(list(place))]
            place = inside if isinstance(inside, dict) else place
        if isinstance(place, dict):
            place[random.choice(["x", *place])] = Payload()
    elif kind < 0.6:
        _damage_tensor(whole, random)
    else:
        part = "state" if random.random() < 0.9 else random.choice(list(whole))
        whole[part] = damaged_data(whole[part], random)
    buffer = io.BytesIO()
    torch.save(whole, buffer, _use_new_zipfile_serialization=random.random() < 0.95)
    return buffer.getvalue()


def _damage_tensor(whole: Any, random: Random) -> None:
    """Put a tensor of another shape, kind or content in place of one."""
    import torch

    places: list[tuple[Any, Any]] = []
    todo = [whole]
    while todo:
        holder = todo.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            if isinstance(holder[key], torch.Tensor):
                places.append((holder, key))
            elif isinstance(holder[key], dict | list):
                todo.append(holder[key])
    holder, key = random.choice(places)
    tensor = holder[key]
    holder[key] = random.choice(
        (
            tensor[None],
            tensor.flatten()[:-1],
            tensor.to(torch.int64),
            tensor.to(torch.complex64),
            torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor * 0,
            torch.zeros(0),
            torch.zeros(1).expand(10**9),
        )
    )


def pickle_damage(content: bytes, random: Random) -> bytes:
    kind = random.random()
    if kind < 0.5:
        return damaged_bytes(content, random)
    data = pickle.loads(content, encoding="bytes")  # our own seed
    if kind < 0.6:
        data[random.choice(list(data))] = Payload()
    elif kind < 0.7:
        # Numbers of objects that do not exist, lengths of texts that are not there.
        return random.choice(
            (
                b"\x80\x02]r\xff\xff\xff\x7f.",
                b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
                b"T\xff\xff\xff\x7f.",
                b"(lp9999999\n.",
            )
        )
    else:
        data = damaged_data(data, random)
    return pickle.dumps(data, random.choice((0, 1, 2, 4)))


def parquet_damage(content: bytes, random: Random) -> bytes:
    """Damage columns, their types and the metadata, or bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if random.random() < 0.6:
        return damaged_bytes(content, random)
    table = pq.read_table(io.BytesIO(content))
    place = random.randrange(table.num_columns)
    name, column = table.column_names[place], table.column(place)
    # Lists of fixed size are not nested for older versions of pyarrow.
    nested = pa.types.is_nested(column.type) or pa.types.is_fixed_size_list(column.type)
    others: tuple[Any, ...] = (
        pa.nulls(len(table)),
        pa.array([random.choice((0, 1, -1, 10**12)) for _ in range(len(table))]),
        pa.array([random.choice(("a", "", "é")) for _ in range(len(table))]),
        pa.array([[1, 2]] * len(table)),
        pa.array([{"bytes": b"x", "path": None}] * len(table)),
        pa.array([0.5] * len(table)),
        pa.array([b"\xff\xfe"] * len(table)),
        column if nested else column.dictionary_encode(),
    )
    kind = random.randrange(5)
    if kind == 0:
        table = table.set_column(place, name, random.choice(others))
    elif kind == 1:
        table = table.rename_columns([random.choice(("image", "label", "x")) for _ in table.column_names])
    elif kind == 2:
        table = table.slice(0, random.choice((0, 1)))
    else:
        notes = (table.schema.metadata or {}).get(
            b"huggingface", b'{"info": {"features": {"label": {"names": ["a"]}}}}'
        )
        changed = random.choice(
            (b"null", b"[]", b"\xff", b"3", json.dumps(damaged_data(json.loads(notes), random)).encode())
        )
        table = table.replace_schema_metadata(
            {b"huggingface": changed, b"classes": random.choice((b"a\nb", b"", b"\xff"))}
        )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=random.choice((5, 100)))
    return buffer.getvalue()
