// The seal of a PDF (PAdES, ISO 32000-1 12.8): what the ByteRange covers, whose signature it is, and whether it
// holds. Works on the bytes of the file alone; asks nobody.

import { Damaged, children, concat, element, equal, expect, oid, sha256, toHex } from "./der.js";

const OID = {
  signedData: "1.2.840.113549.1.7.2",
  messageDigest: "1.2.840.113549.1.9.4",
  signingCertificateV2: "1.2.840.113549.1.9.16.2.47",
  commonName: "2.5.4.3",
};
// The parts of the CMS that no signature protects have one permitted form in our seals (profile p256-v1).
const FIXED = {
  version: "020101",
  digests: "310d300b0609608648016503040201",
  content: "300b06092a864886f70d010701",
  digest: "300b0609608648016503040201",
  signature: "300a06082a8648ce3d040302",
};
const latin1 = new TextDecoder("latin1");

/** Finds the last signature dictionary and what its ByteRange covers. */
export function locate(file) {
  const text = latin1.decode(file);
  const all = [...text.matchAll(/\/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]/g)];
  if (all.length === 0) return null;
  const range = all[all.length - 1].slice(1, 5).map(Number);
  const [first, before, after, rest] = range;
  const gap = text.slice(before, after);
  if (first !== 0 || after <= before || !/^<[0-9a-f]+>$/.test(gap)) {
    throw new Damaged("the ByteRange does not leave out exactly the seal");
  }
  const hole = Uint8Array.from(gap.slice(1, -1).match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const end = after + rest;
  if (end > file.length) throw new Damaged("the file is shorter than what was sealed");
  return {
    range,
    hole,
    covered: concat(file.subarray(0, before), file.subarray(after, end)),
    added: file.length - end,
    signatures: all.length,
  };
}

/** Takes the CMS SignedData (RFC 5652) in the hole apart. */
export function parseCms(hole) {
  const content = expect(element(hole), 0x30, "ContentInfo");
  if (hole.subarray(content.end).some((byte) => byte !== 0)) throw new Damaged("the padding of the seal is not zero");
  const [type, wrapped] = exactly(content, 2, "ContentInfo");
  if (oid(type) !== OID.signedData) throw new Damaged("the seal is no SignedData");
  const [data] = exactly(expect(wrapped, 0xa0, "SignedData"), 1, "SignedData");
  const parts = children(expect(data, 0x30, "SignedData"));
  const [version, digests, encapsulated] = parts;
  fixed(version, FIXED.version, "the version");
  fixed(digests, FIXED.digests, "the digest algorithms");
  fixed(encapsulated, FIXED.content, "the content type");
  if (parts.length !== 5) throw new Damaged("the SignedData has not five parts");
  const certificates = children(expect(parts.find((part) => part.tag === 0xa0), 0xa0, "the certificates"));
  const infos = children(expect(parts[parts.length - 1], 0x31, "the SignerInfos"));
  if (infos.length !== 1) throw new Damaged("the seal has not exactly one signer");
  const info = children(expect(infos[0], 0x30, "the SignerInfo"));
  const at = info[3]?.tag === 0xa0 ? 3 : -1;
  if (at < 0) throw new Damaged("the seal has no signed attributes");
  fixed(info[0], FIXED.version, "the signer's version");
  fixed(info[2], FIXED.digest, "the signer's digest algorithm");
  fixed(info[at + 1], FIXED.signature, "the signature algorithm");
  if (info.length > at + 4 || (info[at + 3] && info[at + 3].tag !== 0xa1)) throw new Damaged("the SignerInfo");
  return {
    named: expect(info[1], 0x30, "the signer's name").body,
    certificates: certificates.map((certificate) => parseCertificate(certificate.whole)),
    signed: attributes(info[at]),
    signedDer: concat(Uint8Array.of(0x31), info[at].whole.subarray(1)),
    signature: expect(info[at + 2], 0x04, "the signature value").body,
    unsigned: info[at + 3] ? octets(attributes(info[at + 3])) : new Map(),
  };
}

/** Unsigned attributes of this profile are OCTET STRINGs. */
function octets(map) {
  for (const value of map.values()) expect(value, 0x04, "an unsigned attribute");
  return map;
}

function exactly(node, count, what) {
  const found = children(node);
  if (found.length !== count) throw new Damaged(`${what} has not ${count} parts`);
  return found;
}

function fixed(node, hex, what) {
  if (!node || toHex(node.whole) !== hex) throw new Damaged(`${what} is not that of a seal`);
}

function attributes(set) {
  const found = children(set).map((attribute) => {
    const [type, values, ...more] = children(expect(attribute, 0x30, "an attribute"));
    const [value, ...others] = children(expect(values, 0x31, "an attribute's values"));
    if (!value || more.length + others.length > 0) throw new Damaged("an attribute has not one value");
    return [oid(type), value];
  });
  const map = new Map(found);
  if (map.size !== found.length) throw new Damaged("an attribute stands twice");
  return map;
}

/** An X.509 certificate (RFC 5280): what checking it needs. */
export function parseCertificate(der) {
  const whole = expect(element(der), 0x30, "a certificate");
  const [tbs, algorithm, signature] = exactly(whole, 3, "a certificate");
  if (whole.end !== der.length) throw new Damaged("a certificate's length");
  expect(tbs, 0x30, "what a certificate says");
  expect(signature, 0x03, "a certificate's signature");
  fixed(algorithm, FIXED.signature, "a certificate's signature algorithm");
  if (signature.body[0] !== 0) throw new Damaged("a certificate's signature");
  const fields = children(tbs);
  const shift = fields[0].tag === 0xa0 ? 1 : 0;
  const [from, until] = children(fields[shift + 3]).map(time);
  const extensions = fields.find((field) => field.tag === 0xa3);
  return {
    der,
    tbs: tbs.whole,
    signature: signature.body.subarray(1),
    issuer: fields[shift + 2].whole,
    named: concat(fields[shift + 2].whole, fields[shift].whole),
    subject: fields[shift + 4].whole,
    name: commonName(fields[shift + 4]),
    from,
    until,
    key: fields[shift + 5].whole,
    extensions: extensions ? children(children(extensions)[0]).map((each) => oid(children(each)[0])) : [],
  };
}

function commonName(name) {
  for (const set of children(name)) {
    const [type, value] = children(children(set)[0]);
    if (oid(type) === OID.commonName) return new TextDecoder().decode(value.body);
  }
  return "";
}

function time(node) {
  let text = latin1.decode(node.body);
  if (node.tag === 0x17) text = (Number(text.slice(0, 2)) < 50 ? "20" : "19") + text;
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  if (!y) throw new Damaged("a certificate's time");
  return new Date(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

/** ECDSA over P-256: DER to the 64 bytes that WebCrypto wants (SEC 1, RFC 3279 2.2.3). */
function rawSignature(der) {
  const raw = new Uint8Array(64);
  const pair = expect(element(der), 0x30, "the signature value");
  if (pair.end !== der.length) throw new Damaged("the signature value's length");
  exactly(pair, 2, "the signature value").forEach((number, i) => {
    expect(number, 0x02, "the signature value");
    const padded = number.body[0] === 0;
    const bytes = padded ? number.body.subarray(1) : number.body;
    const negative = number.body[0] > 127 || (padded && bytes[0] < 128);
    if (negative || bytes.length > 32) throw new Damaged("the signature value");
    raw.set(bytes, 32 * (i + 1) - bytes.length);
  });
  return raw;
}

async function signedBy(spki, signature, message) {
  const key = await crypto.subtle.importKey("spki", spki, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, rawSignature(signature), message);
}

/**
 * Checks the seal of `file` against `roots` (certificates as DER).
 * @returns facts, each true or false, and `problem` in words where something is wrong.
 */
export async function checkSeal(file, roots) {
  const found = locate(file);
  if (!found) return { sealed: false };
  const cms = parseCms(found.hole);
  const digest = await sha256(found.covered);
  const stated = cms.signed.get(OID.messageDigest);
  const intact = Boolean(stated) && equal(stated.body, digest);
  let signer = null;
  for (const certificate of cms.certificates) {
    if (await namedBy(cms.signed.get(OID.signingCertificateV2), certificate)) signer = certificate;
  }
  if (signer && !equal(cms.named, signer.named)) throw new Damaged("the seal names another signer");
  const trusted = roots.map(parseCertificate);
  for (const each of cms.certificates) {
    if (each !== signer && !(await issuedWithin(each, [...cms.certificates, ...trusted]))) {
      throw new Damaged("the seal brings a certificate that nobody in it issued");
    }
  }
  const signed = Boolean(signer) && (await signedBy(signer.key, cms.signature, cms.signedDer));
  const root = signed ? await rootOf(signer, cms.certificates, trusted) : null;
  return {
    sealed: true,
    intact,
    signed,
    trusted: root !== null,
    added: found.added,
    signatures: found.signatures,
    signer: signer?.name ?? "",
    signerExtensions: signer?.extensions ?? [],
    validAt: (now) => Boolean(signer) && signer.from <= now && now <= signer.until,
    unsigned: cms.unsigned,
    sealDigest: await sha256(digest, await sha256(cms.signature)),
  };
}

/** ESS signing-certificate-v2 (RFC 5035): the first certificate it names by its SHA-256. */
async function namedBy(attribute, certificate) {
  if (!attribute) return false;
  const named = children(children(children(attribute)[0])[0]).find((part) => part.tag === 0x04);
  return Boolean(named) && equal(named.body, await sha256(certificate.der));
}

/** Whether one of `issuers` made this certificate: what comes along unsigned must not be changed either. */
async function issuedWithin(certificate, issuers) {
  for (const issuer of issuers) {
    if (!equal(issuer.subject, certificate.issuer)) continue;
    try {
      if (await signedBy(issuer.key, certificate.signature, certificate.tbs)) return true;
    } catch {
      // A key that is none issued nothing.
    }
  }
  return false;
}

async function rootOf(signer, certificates, trusted) {
  let current = signer;
  for (let depth = 0; depth < 4; depth++) {
    for (const root of trusted) {
      if (equal(root.subject, current.issuer) && (await signedBy(root.key, current.signature, current.tbs))) return root;
    }
    const next = certificates.find((each) => equal(each.subject, current.issuer) && each !== current);
    if (!next || !(await signedBy(next.key, current.signature, current.tbs))) return null;
    current = next;
  }
  return null;
}
