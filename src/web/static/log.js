// The verification log: a proof (C2SP tlog-proof) that a seal was recorded, checked against the log's own key.
// RFC 6962 hashing, C2SP signed-note and tlog-checkpoint; asks nobody.

import { Damaged, concat, equal, fromBase64, sha256, toHex } from "./der.js";

const utf8 = new TextEncoder();

/** A verifier key `name+hash+base64(01 ‖ key)` (C2SP signed-note). */
export function parseLogKey(text) {
  const [name, hash, ...rest] = text.trim().split("+");
  const bytes = fromBase64(rest.join("+"));
  if (bytes[0] !== 1 || bytes.length !== 33) throw new Damaged("the log's key is not Ed25519");
  return { name, id: hash, key: bytes.subarray(1) };
}

/** Parses `c2sp.org/tlog-proof@v1`. */
export function parseProof(text) {
  if (text.includes("\r") || text.includes("\ufffd")) throw new Damaged("the proof's characters");
  const split = text.indexOf("\n\n");
  const lines = text.slice(0, split).split("\n");
  if (split < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Damaged("the proof's first line");
  const extra = lines[0]?.startsWith("extra ") ? fromBase64(lines.shift().slice(6)) : new Uint8Array();
  const index = /^index (0|[1-9]\d{0,14})$/.exec(lines.shift() ?? "");
  if (!index) throw new Damaged("the proof's index");
  return { salt: extra, index: Number(index[1]), path: lines.map(fromBase64), checkpoint: text.slice(split + 2) };
}

/** Parses a signed checkpoint: origin, size, root, and the signatures under it. */
export function parseCheckpoint(note) {
  const split = note.lastIndexOf("\n\n");
  const body = note.slice(0, split + 1);
  const [origin, size, root] = body.split("\n");
  const signatures = note
    .slice(split + 2)
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const parts = /^— (\S+) (\S+)$/u.exec(line);
      if (!parts) throw new Damaged("a signature line of the checkpoint");
      return { name: parts[1], value: fromBase64(parts[2]) };
    });
  if (!note.endsWith("\n")) throw new Damaged("the checkpoint's end");
  if (split < 0 || !/^\d{1,15}$/.test(size)) throw new Damaged("the checkpoint");
  return { body, origin, size: Number(size), root: fromBase64(root), signatures };
}

export async function signedByLog(checkpoint, logKey) {
  if (checkpoint.origin !== logKey.name) return false;
  const key = await crypto.subtle.importKey("raw", logKey.key, { name: "Ed25519" }, false, ["verify"]);
  for (const { name, value } of checkpoint.signatures) {
    // An unknown line could be anything; cosignatures of witnesses are not known to this page yet.
    if (name !== logKey.name || toHex(value.subarray(0, 4)) !== logKey.id) return false;
    if (await crypto.subtle.verify({ name: "Ed25519" }, key, value.subarray(4), utf8.encode(checkpoint.body))) return true;
  }
  return false;
}

/** The leaf that commits to a seal digest: format, type byte 1 (issued), SHA-256(domain ‖ salt ‖ digest). */
export async function issuedLeaf(salt, digest) {
  const commitment = await sha256(utf8.encode("stammbuch/commitment/v1"), salt, digest);
  return concat(utf8.encode("stammbuch/cert/v1"), Uint8Array.of(1), commitment);
}

const node = (left, right) => sha256(Uint8Array.of(1), left, right);

/** RFC 6962 2.1.1: the root that leaf, index and path lead to in a tree of `size` leaves. */
export async function rootFrom(leaf, index, size, path) {
  if (index >= size) throw new Damaged("the index is beyond the tree");
  let hash = await sha256(Uint8Array.of(0), leaf);
  let at = index;
  let last = size - 1;
  for (const sibling of path) {
    if (last === 0) throw new Damaged("the path is too long");
    if (at % 2 === 1 || at === last) {
      hash = await node(sibling, hash);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = await node(hash, sibling);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0) throw new Damaged("the path is too short");
  return hash;
}

/** Is `sealDigest` in the log whose key is one of `keys`? */
export async function checkProof(proofText, sealDigest, keys) {
  const proof = parseProof(proofText);
  const checkpoint = parseCheckpoint(proof.checkpoint);
  const leaf = await issuedLeaf(proof.salt, sealDigest);
  const included = equal(await rootFrom(leaf, proof.index, checkpoint.size, proof.path), checkpoint.root);
  let signed = false;
  for (const key of keys) signed ||= await signedByLog(checkpoint, parseLogKey(key));
  return { included, signed, index: proof.index, size: checkpoint.size, origin: checkpoint.origin };
}
