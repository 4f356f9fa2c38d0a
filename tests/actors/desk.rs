//! What the registry tests share: an entry with difficult names, its address, and orders for it.

use serde_json::{Value, json};

use super::Server;
use super::place::OFFICE;

/// The path of an entry of the first authority.
pub fn entry_path(number: &str) -> String {
    format!("/v1/entries/G/{OFFICE}/2024/{number}")
}

/// A copy of an entry, a day old at noon.
pub fn copy() -> Value {
    json!({
        "asOf": "2026-05-03", "source": "Registerverfahren Eins",
        "fields": {
            "0001": "Eins", "0020": "Geburt", "1040": "2024-02-29", "1041": "08:15", "1050": "Musterstadt",
            "1101": "Đurović-Nguyễn", "1102": "J̌evdet K͟Halid", "1120": "männlich",
            "1200": "Mutter", "1201": "Nguyễn", "1203": "Thị Ánh", "1300": "Vater", "1301": "Đurović", "1303": "Jovan",
        },
        "locks": [],
    })
}

/// An order of a parent for the certificate of entry `number`.
pub fn order(number: &str) -> Value {
    json!({
        "entry": { "register": "G", "office": OFFICE, "year": 2024, "number": number },
        "kind": "geburtsurkunde", "medium": "paper",
        "applicant": { "relation": "vorfahre", "over16": true },
    })
}

/// A server that knows entry 815.
pub fn desk() -> Server {
    let server = Server::start();
    server.engine().put(&entry_path("815"), &copy()).expect(201);
    server
}
