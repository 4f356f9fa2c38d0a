//! What the demo prints for a newcomer: progress, a table, and lines to paste.

use super::prepare::Sample;
use super::setup::Demo;

/// One line of progress, on standard error.
pub(super) fn progress(what: &str) {
    eprintln!("  preparing: {what}");
}

/// Addresses, tokens, entries and five lines to paste.
pub(super) fn table(demo: &Demo, samples: &[Sample]) {
    let url = &demo.url;
    let tokens = &demo.tokens;
    println!("\nStammbuch demo: Standesamt Musterstadt. Everything issued here is a specimen.\n");
    for (name, value) in [
        ("API", format!("{url}/v1  (described in {url}/openapi.json)")),
        ("Verify page", format!("{url}/v")),
        ("Log", format!("{url}/log/checkpoint")),
        ("Folder", demo.config.parent().unwrap_or(&demo.config).display().to_string()),
        ("Token engine", tokens.engine.clone()),
        ("Token clerk", tokens.clerk.clone()),
        ("Token registrar", tokens.registrar.clone()),
    ] {
        println!("  {name:<16} {value}");
    }
    println!("\n  Entries");
    for sample in samples {
        let number = format!("{} {}/{}", sample.register, sample.number, sample.year);
        println!("  {number:<16} office {}: {}", sample.office, sample.shows);
    }
    println!("\nTry:\n");
    for line in lines(demo, samples) {
        println!("{line}\n");
    }
    println!("Ctrl-C ends it. Next time: stammbuch demo --dir … finds everything as it was.");
    println!("Ready: {url}");
}

/// Five lines, each of which works when pasted.
fn lines(demo: &Demo, samples: &[Sample]) -> Vec<String> {
    let url = &demo.url;
    let bearer = |token: &str| format!("-H 'Authorization: Bearer {token}'");
    let (engine, clerk) = (bearer(&demo.tokens.engine), bearer(&demo.tokens.clerk));
    let registrar = bearer(&demo.tokens.registrar);
    let order = samples.first().map(|sample| sample.order("geburtsurkunde").to_string()).unwrap_or_default();
    vec![
        format!("curl -s {clerk} '{url}/v1/search?q=Mueller'"),
        format!(
            "echo 'Vermerk aus der Kommandozeile' | curl -s {engine} -H 'Content-Type: text/plain' \
             -H 'Idempotency-Key: paste-1' --data-binary @- '{url}/v1/documents?title=Vermerk'"
        ),
        format!(
            "curl -s {engine} -H 'Content-Type: application/json' -H 'Idempotency-Key: paste-2' \
             -d '{order}' {url}/v1/orders"
        ),
        format!(
            "curl -s {registrar} -H 'Content-Type: application/json' -H 'Idempotency-Key: paste-3' \
             -d '{order}' {url}/v1/certificates"
        ),
        format!("curl -s {url}/log/checkpoint"),
    ]
}
