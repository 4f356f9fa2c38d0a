// Runs the modules of the page `/v` outside a browser: node page.mjs STATIC CA.pem LOGKEY FILE...
// One JSON line for each file: what the page would find.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ca, logKey, ...files] = process.argv.slice(2);
const module = (name) => import(pathToFileURL(`${folder}/${name}`).href);
const { checkSeal } = await module("seal.js");
const { checkProof } = await module("log.js");
const PROOF = "1.3.6.1.4.1.32473.2026.2.1";
const root = Buffer.from(readFileSync(ca, "utf8").replace(/-----[^-]+-----|\s/g, ""), "base64");

for (const file of files) {
  let found;
  try {
    const seal = await checkSeal(new Uint8Array(readFileSync(file)), [new Uint8Array(root)]);
    const proof = seal.unsigned?.get(PROOF);
    const log = proof ? await checkProof(new TextDecoder().decode(proof.body), seal.sealDigest, [logKey]) : {};
    const { sealed, intact, signed, trusted, added, signatures } = seal;
    found = { sealed, intact, signed, trusted, added, signatures, included: log.included, byLog: log.signed };
  } catch (error) {
    found = { error: error.message };
  }
  console.log(JSON.stringify(found));
}
