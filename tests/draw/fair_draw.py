# SPDX-License-Identifier: Apache-2.0
"""docs/fair-draw.md, computed by hashlib alone: shares nothing with the program that it judges."""
import hashlib


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def entry_of(drop, ticket):
    return sha256(f"stampede-draw-v1 entry\n{drop}\n{ticket}\n".encode())[:32]


def list_hash_of(entries):
    return sha256(bytes.fromhex("".join(entries)))


def key_of(proof):
    lines = ("stampede-draw-v1 key", proof["drop"], proof["seed"], proof["list_hash"], proof["public_source"],
             proof["public_value"])
    return sha256("".join(line + "\n" for line in lines).encode())


def rank_of(key, entry):
    return sha256(bytes.fromhex(key + entry))


def order_of(proof):
    key = key_of(proof)
    return sorted(proof["entries"], key=lambda entry: (rank_of(key, entry), entry))


def draw(drop, mode, winners, seed, source, value, tickets):
    """The whole document, from the tickets."""
    entries = sorted(entry_of(drop, ticket) for ticket in tickets)
    proof = {"format": "stampede-draw-v1", "drop": drop, "mode": mode}
    if mode == "draw":
        proof["winners"] = winners
    proof |= {"closed_at": "2026-11-27T18:00:00.000Z", "seed_hash": sha256(bytes.fromhex(seed)), "seed": seed,
              "list_hash": list_hash_of(entries), "public_source": source, "public_value": value,
              "count": len(entries), "entries": entries}
    return proof | {"order": order_of(proof)}
