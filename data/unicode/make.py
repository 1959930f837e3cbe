#!/usr/bin/env python3
"""Makes lib/Tokenization/unicode-9.txt: what the four normalisation forms need of Unicode 9.0, the version that the fast tokenizer's library was built with.

    python3 data/unicode/make.py > lib/Tokenization/unicode-9.txt

Run with Python 3.11 (Unicode 14.0); what came later than 9.0 is left out by the ranges below. A line is one of
    C : N      C (or C-D) has combining class N
    C ^ M      C (or C-D) is a mark
    C = A B    C decomposes canonically and is composed again
    C ! A B    C decomposes canonically and is not composed again
    C ~ A B    C decomposes for compatibility
"""
import unicodedata

LATER_CLASSES = """7fd 898-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1ace 1df6-1dfa a82c 10d24-10d27 10eab-10eac 10f46-10f50 10f82-10f85 11070 1133b 1145e 11839-1183a
1193d-1193e 11943 119e0 11a34 11a47 11a99 11d42 11d44-11d45 11d97 16ff0-16ff1 1e130-1e136 1e2ae 1e2ec-1e2ef"""
LATER_MARKS = """7fd 898-89f 8ca-8d3 9fe afa-aff b55 c04 c3c d00 d3b-d3c d81 eba 1715 180f 1abf-1ace 1cf7 1df6-1dfa a82c a8ff 10d24-10d27 10eab-10eac 10f46-10f50 10f82-10f85
11070 11073-11074 110c2 11145-11146 111c9 111ce-111cf 1133b 1145e 1182c-1183a 11930-11935 11937-11938 1193b-1193e 11940 11942-11943 119d1-119d7 119da-119e0 119e4 11a01-11a0a
11a33-11a39 11a3b-11a3e 11a47 11a51-11a5b 11a8a-11a99 11d31-11d36 11d3a 11d3c-11d3d 11d3f-11d45 11d47 11d8a-11d8e 11d90-11d91 11d93-11d97 11ef3-11ef6 16f4f 16f7f-16f87 16fe4
16ff0-16ff1 1cf00-1cf2d 1cf30-1cf46 1e130-1e136 1e2ae 1e2ec-1e2ef"""
FORMER_MARKS = "1cf2-1cf3"
LATER_MAPPINGS = "32ff a7f2-a7f4 ab69 10781-10785 10787-107b0 107b2-107ba 11938 1f16c 1fbf0-1fbf9"


def members(ranges):
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def print_runs(sign, kind_of):
    runs = []
    for point in range(0x110000):
        kind = kind_of(point)
        if kind:
            if runs and runs[-1][1:] == [point - 1, kind]:
                runs[-1][1] = point
            else:
                runs.append([point, point, kind])
    for first, last, kind in runs:
        print(f"{first:X}{'' if first == last else f'-{last:X}'} {sign} {kind}")


def main():
    assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
    later_classes, later_mappings = set(members(LATER_CLASSES)), set(members(LATER_MAPPINGS))
    later_marks, former_marks = set(members(LATER_MARKS)), set(members(FORMER_MARKS))
    print_runs(":", lambda point: 0 if point in later_classes else unicodedata.combining(chr(point)))
    print_runs("^", lambda point: "M" if point in former_marks or unicodedata.category(chr(point))[0] == "M" and point not in later_marks else None)
    for point in range(0x110000):
        mapping = unicodedata.decomposition(chr(point)).split()
        if not mapping or point in later_mappings:
            continue
        if mapping[0].startswith("<"):
            print(f"{point:X} ~ {' '.join(f'{int(part, 16):X}' for part in mapping[1:])}")
        else:
            sign = "=" if unicodedata.normalize("NFC", chr(point)) == chr(point) else "!"
            print(f"{point:X} {sign} {' '.join(f'{int(part, 16):X}' for part in mapping)}")


main()
