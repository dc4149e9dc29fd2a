#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes search_fold.c: which letters the search takes for which, out of Unicode's own tables.

    storage/search/search_fold.py >storage/search/search_fold.c

Letters of Latin, Greek, Cyrillic, Armenian: without marks, in lower case, ligatures as their letters.
"""
import unicodedata

RANGES = [(0x00C0, 0x024F), (0x0370, 0x058F), (0x1E00, 0x1FFF), (0xFB00, 0xFB17)]
# Letters with a stroke and the like, which Unicode does not take apart.
SPECIAL = {
    "\u00c6": "ae", "\u00d0": "d", "\u00d8": "o", "\u00de": "th", "\u00df": "ss", "\u00e6": "ae", "\u00f0": "d",
    "\u00f8": "o", "\u00fe": "th", "\u0110": "d", "\u0111": "d", "\u0126": "h", "\u0127": "h", "\u0131": "i",
    "\u0138": "k", "\u0141": "l", "\u0142": "l", "\u0149": "n", "\u014a": "n", "\u014b": "n", "\u0152": "oe",
    "\u0153": "oe", "\u0166": "t", "\u0167": "t", "\u017f": "s", "\u0180": "b", "\u0192": "f", "\u01b5": "z",
    "\u01b6": "z", "\u1e9e": "ss",
}


def folded(letter):
    if letter in SPECIAL:
        return SPECIAL[letter]
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
    return "".join(SPECIAL.get(one, one) for one in parts if unicodedata.category(one)[0] == "L")


def main():
    rows = []
    for first, last in RANGES:
        for code in range(first, last + 1):
            letter = chr(code)
            to = folded(letter)
            if unicodedata.category(letter)[0] == "L" and to and to != letter:
                bytes_ = to.encode()
                assert len(bytes_) <= 6, hex(code)
                text = to if to.isascii() else "".join(f"\\x{byte:02x}" for byte in bytes_)
                rows.append(f'{{0x{code:04X}, {len(bytes_)}, "{text}"}},')
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print(f"/* Made by search_fold.py from Unicode {unicodedata.unidata_version}: not to be edited. */")
    print('#include "search/search_fold.h"\n\n/* clang-format off */\nconst struct search_fold search_folds[] = {')
    line = "   "
    for row in rows:
        if len(line) + 1 + len(row) > 100:
            print(line)
            line = "   "
        line += " " + row
    print(line)
    print("};\n/* clang-format on */\n")
    print("const size_t search_fold_count = sizeof search_folds / sizeof search_folds[0];")


if __name__ == "__main__":
    main()
