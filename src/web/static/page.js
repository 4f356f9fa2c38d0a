// The page for those who are shown a certificate: the file is read, hashed and checked in this browser.
// Only its SHA-256 goes to the server, to ask whether the certificate is known there and what its status is.

import { Damaged, fromBase64, sha256, toHex } from "./der.js";
import { checkProof } from "./log.js";
import { checkSeal } from "./seal.js";

const zone = document.getElementById("drop");
const input = document.getElementById("file");
const result = document.getElementById("result");

const SIGN = { yes: "✔", no: "✘", open: "?" };
const WORD = { yes: "Ja", no: "Nein", open: "Offen" };

async function json(address, options) {
  const answer = await fetch(address, options);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.json();
}

/** One line of the answer: a question, a state that is not only a colour, and one sentence. */
function line(name, state, sentence) {
  const row = document.createElement("li");
  row.className = `verdict verdict--${state}`;
  row.dataset.name = name;
  row.dataset.state = state;
  const sign = document.createElement("span");
  sign.className = "verdict__sign";
  sign.setAttribute("aria-hidden", "true");
  sign.textContent = SIGN[state];
  const text = document.createElement("span");
  const strong = document.createElement("strong");
  strong.textContent = `${name}: ${WORD[state]}. `;
  text.append(strong, sentence);
  row.append(sign, text);
  return row;
}

function show(title, state, lines, note) {
  const heading = document.createElement("h2");
  heading.className = "kern-heading-medium";
  heading.textContent = title;
  const list = document.createElement("ul");
  list.className = "verdicts";
  list.append(...lines);
  const about = document.createElement("p");
  about.className = "kern-body";
  about.textContent = note;
  result.replaceChildren(heading, list, about);
  result.dataset.verdict = state;
  result.hidden = false;
  result.focus();
}

function integrity(seal) {
  if (!seal.intact || !seal.signed) {
    return line("Unverändert", "no", "Der Inhalt passt nicht zum Siegel. Die Datei wurde verändert.");
  }
  if (seal.added > 0 || seal.signatures !== 1) {
    return line("Unverändert", "no", "Nach dem Siegeln wurde etwas angefügt.");
  }
  return line("Unverändert", "yes", "Die Datei ist Byte für Byte so, wie sie gesiegelt wurde.");
}

function signer(seal) {
  if (!seal.trusted) return line("Unterzeichner", "no", "Das Siegel stammt nicht von einer Stelle dieser Anlage.");
  if (!seal.validAt(new Date())) {
    return line("Unterzeichner", "open", `Unterschrieben von ${seal.signer}; das Zertifikat gilt heute nicht.`);
  }
  return line("Unterzeichner", "yes", `Unterschrieben von ${seal.signer}.`);
}

async function registered(seal, trust) {
  const proof = seal.unsigned.get(trust.proofOid);
  if (!proof) return line("Im Verzeichnis", "no", "In der Datei liegt kein Nachweis der Eintragung.");
  try {
    const text = new TextDecoder().decode(proof.body);
    const log = await checkProof(text, seal.sealDigest, trust.logKeys);
    if (log.included && log.signed) {
      return line("Im Verzeichnis", "yes", `Eintrag ${log.index} im öffentlichen Verzeichnis ${log.origin}.`);
    }
    return line("Im Verzeichnis", "no", "Der Nachweis gehört nicht zu diesem Siegel oder diesem Verzeichnis.");
  } catch (error) {
    if (error.name === "NotSupportedError") {
      return line("Im Verzeichnis", "open", "Dieser Browser kann die Unterschrift des Verzeichnisses nicht prüfen.");
    }
    return line("Im Verzeichnis", "no", "Der Nachweis ist beschädigt.");
  }
}

async function status(digest) {
  try {
    const answer = await json(`/v1/verify?sha256=${digest}`);
    if (answer.state === "unknown") return line("Gültigkeit", "open", "Diese Stelle kennt die Datei nicht.");
    if (answer.revoked) return line("Gültigkeit", "no", "Die Urkunde wurde zurückgezogen.");
    return line("Gültigkeit", "yes", "Die Urkunde ist hier bekannt und nicht zurückgezogen.");
  } catch {
    return line("Gültigkeit", "open", "Der Stand konnte nicht erfragt werden.");
  }
}

async function examine(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const trust = await json("/v/trust.json");
  const seal = await checkSeal(bytes, trust.roots.map(fromBase64));
  if (!seal.sealed) {
    show("Kein Siegel gefunden", "not", [], "Diese Datei trägt kein Siegel. Ist es wirklich die PDF-Datei der Urkunde?");
    return;
  }
  const lines = [integrity(seal), signer(seal), await registered(seal, trust), await status(toHex(await sha256(bytes)))];
  const states = lines.slice(0, 3).map((each) => each.dataset.state);
  const specimen = seal.signerExtensions.includes(trust.specimenOid);
  const verdict = states.includes("no") ? "not" : states.includes("open") ? "open" : specimen ? "specimen" : "genuine";
  const title = {
    genuine: "Echt",
    specimen: "MUSTER · SPECIMEN: nur ein Muster, keine Urkunde",
    open: "Nicht sicher festzustellen",
    not: "Nicht echt",
  }[verdict];
  const prefix = specimen && verdict !== "specimen" ? "MUSTER · SPECIMEN: " : "";
  show(prefix + title, verdict, lines, "Diese Prüfung sagt nicht, wer die Datei vorzeigt, und ersetzt keine Apostille.");
}

async function take(file) {
  zone.setAttribute("aria-busy", "true");
  try {
    await examine(file);
  } catch (error) {
    const why = error instanceof Damaged ? error.message : "die Datei konnte nicht gelesen werden";
    show("Nicht echt", "not", [line("Unverändert", "no", `Das Siegel ist beschädigt (${why}).`)], "");
  }
  zone.removeAttribute("aria-busy");
}

input.addEventListener("change", () => input.files[0] && take(input.files[0]));
zone.addEventListener("dragover", (event) => event.preventDefault());
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
});
zone.hidden = false;
