"""Damage, done to bytes and to structure; the same seed does the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

NASTY_TEXTS = (
    *("", "\ud800", "a\udcff", "\u202eevil\x1b[31m", "x" * 5000, "../../../etc/passwd", "/dev/zero", "\x00"),
    *(
        "nan",
        "1e400",
        "9" * 5000,
        "é\u0301",
        "\r\n",
        "%s%n{0}",
        "<script>alert(1)</script>",
        "a\nb",
        "-1",
        "null",
    ),
)
NASTY_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 2**31, -(2**63), 10**30, 1e300, -1e300, 0.5),
    *(float("inf"), float("nan"), [], {}, [[]], {"": {}}, [None] * 3, {"a": 1}),
)


def damaged_bytes(content: bytes, random: Random) -> bytes:
    """Return bytes after one to four accidents."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(len(data) + 1)
        length = random.choice((1, 1, 2, 4, 8, 64, 1024))
        kind = random.randrange(7)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << random.randrange(8)
        elif kind == 1 and data:
            data[place % len(data)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = random.randbytes(length)
        elif kind == 4:
            data[place:place] = data[max(0, place - length) : place]
        elif kind == 5:
            del data[place:]
        else:
            data[place : place + 4] = random.choice((b"\xff\xff\xff\x7f", b"\xff" * 4, b"\x00" * 4))
    return bytes(data)


def damaged_data(data: Any, random: Random) -> Any:
    """Return plain data after one to three changes somewhere inside."""
    found = copy.deepcopy(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        holders = _holders(found)
        if not holders:
            return _nasty(random)
        holder, key = random.choice(holders)
        _change(holder, key, random)
    return found


def _holders(data: Any) -> list[tuple[Any, Any]]:
    """Return every place in nested lists and mappings."""
    places: list[tuple[Any, Any]] = []
    todo = [data]
    while todo and len(places) < 5000:
        holder = todo.pop()
        keys = (
            list(holder)
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        places += [(holder, key) for key in keys]
        todo += [holder[key] for key in keys]
    return places


def _change(holder: Any, key: Any, random: Random) -> None:
    if isinstance(holder, list) and not 0 <= key < len(holder):
        return
    if isinstance(holder, dict) and key not in holder:
        return
    kind = random.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key] = [holder[key]] * random.choice((1, 2, 100))
    elif kind == 2:
        for _ in range(random.choice((3, 40, 900))):
            holder[key] = random.choice(([holder[key]], {"a": holder[key]}))
    elif kind == 3 and isinstance(holder, dict):
        holder[random.choice(NASTY_TEXTS)] = holder.pop(key)
    elif kind == 4 and isinstance(holder, list):
        holder.insert(key, holder[random.randrange(len(holder))])
    elif kind == 5 and isinstance(holder[key], int) and not isinstance(holder[key], bool):
        holder[key] = random.choice((holder[key] + 1, -holder[key], holder[key] * 10**9, float(holder[key])))
    else:
        holder[key] = _nasty(random)


def _nasty(random: Random) -> Any:
    return copy.deepcopy(random.choice((*NASTY_VALUES, *NASTY_TEXTS)))


def structured(
    load: Callable[[bytes], Any], dump: Callable[[Any], bytes]
) -> Callable[[bytes, Random], bytes]:
    """Return damage for a format: to its structure in half of the cases, to its bytes in the others.

    Args:
        load: from bytes to plain data.
        dump: back to bytes; where it cannot write what came out, the bytes are damaged.
    """

    def damage(content: bytes, random: Random) -> bytes:
        if random.random() < 0.6:
            try:
                return dump(damaged_data(load(content), random))
            except Exception:  # whatever a writer says to what it cannot write
                pass
        return damaged_bytes(content, random)

    return damage


json_damage = structured(json.loads, lambda data: json.dumps(data).encode())


def _lines(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines()]


def _from_lines(data: Any) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in data).encode()


lines_damage = structured(_lines, _from_lines)


def text_damage(content: bytes, random: Random) -> bytes:
    """Damage lines and words of a text, or its bytes."""
    if random.random() < 0.5:
        return damaged_bytes(content, random)
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    for _ in range(random.choice((1, 2, 3))):
        place = random.randrange(len(lines)) if lines else 0
        kind = random.randrange(4)
        if kind == 0 and lines:
            del lines[place]
        elif kind == 1 and lines:
            lines.insert(place, lines[random.randrange(len(lines))])
        elif lines:
            separator = "," if "," in lines[place] else " "
            words = lines[place].split(separator)
            nasty = random.choice(NASTY_TEXTS) if kind == 2 else str(_nasty(random))
            words[random.randrange(len(words))] = nasty
            lines[place] = separator.join(words)
    return "\n".join(lines).encode("utf-8", "surrogatepass")
