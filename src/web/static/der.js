// DER (X.690), as much as a seal needs: reads tag, length and value; refuses what is not DER.

export class Damaged extends Error {}

/** @returns {{tag: number, start: number, body: Uint8Array, whole: Uint8Array, end: number}} */
export function element(bytes, start = 0) {
  if (start + 2 > bytes.length) throw new Damaged("DER ends early");
  const tag = bytes[start];
  if ((tag & 31) === 31) throw new Damaged("long DER tag");
  let length = bytes[start + 1];
  let at = start + 2;
  if (length > 127) {
    const count = length & 127;
    if (count === 0 || count > 4 || at + count > bytes.length) throw new Damaged("DER length");
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + bytes[at++];
    if (length < 128 || bytes[start + 2] === 0) throw new Damaged("DER length is not the shortest");
  }
  const end = at + length;
  if (end > bytes.length) throw new Damaged("DER ends early");
  return { tag, start, body: bytes.subarray(at, end), whole: bytes.subarray(start, end), end };
}

/** The elements inside a constructed one. */
export function children(parent) {
  const found = [];
  for (let at = 0; at < parent.body.length; ) {
    const child = element(parent.body, at);
    found.push(child);
    at = child.end;
  }
  return found;
}

export function expect(node, tag, what) {
  if (!node || node.tag !== tag) throw new Damaged(`${what} is missing`);
  return node;
}

/** An OBJECT IDENTIFIER as dotted text. */
export function oid(node) {
  expect(node, 0x06, "an object identifier");
  const arcs = [];
  let arc = 0;
  for (const byte of node.body) {
    arc = arc * 128 + (byte & 127);
    if (byte < 128) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const first = Math.min(2, Math.floor(arcs[0] / 40));
  return [first, arcs[0] - 40 * first, ...arcs.slice(1)].join(".");
}

export function equal(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Base64 in its one canonical spelling (RFC 4648). */
export function fromBase64(text) {
  const binary = atob(text);
  if (btoa(binary) !== text) throw new Damaged("base64 is not canonical");
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", parts.length === 1 ? parts[0] : concat(...parts)));
}
