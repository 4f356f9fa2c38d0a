//! A store that begins to lie while it is in use, and ceases to: noticed, said, and used safely all the time.

use std::time::Instant;

use serde_json::{Value, json};

use super::{PATIENCE, binary, content_of, upload_to};
use crate::actors::ServerProcess;
use crate::actors::bucket::Bucket;
use crate::actors::proxy::{Deed, Proxy, lie};

/// Waits until `/health/ready` says of the store what it should; gives all that it says.
fn until(server: &ServerProcess, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let health = server.citizen().get("/health/ready").json();
        if is_so(&health) {
            return health;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: {health}");
        // sleeps: the next trial gives no signal
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn a_store_that_begins_to_lie_is_noticed_and_used_safely() {
    let Some(bucket) = Bucket::make() else { return };
    bucket.open_to_all();
    let proxy = Proxy::before(&bucket.endpoint, |_| Deed::Forward);
    let server = ServerProcess::start_with(|config| {
        bucket.configure(config, &proxy.url());
        config.objects.s3.probe_seconds = 1;
    });
    let verdict = |of: &'static str, is: &'static str| {
        move |health: &Value| health["facts"]["objects"][of] == is && health["status"] == "ok"
    };
    let honest = until(&server, "it enforces", verdict("overwrite", "enforced"));
    assert_eq!(honest["parts"]["objects"]["why"], Value::Null);
    let mut kept = vec![(upload_to(&server, "a", &binary(1, 300_000)).expect(201), binary(1, 300_000))];

    proxy.rule(lie);
    let lying = until(&server, "it ignores", verdict("checksum", "ignored"));
    for name in ["overwrite", "swap"] {
        assert_eq!(lying["facts"]["objects"][name], "ignored");
    }
    let why = json!("does not enforce any more: overwrite, swap, checksum");
    until(&server, "it says so", |health| health["parts"]["objects"]["why"] == why);
    for (key, length) in [("b", 1000), ("c", 9_000_000)] {
        let bytes = binary(2, length);
        kept.push((upload_to(&server, key, &bytes).expect(201), bytes));
    }
    // Not only does it not look: it also damages what it is sent, and says that all is well.
    proxy.rule(|request| {
        if request.method == "PUT" && request.target.contains("/site/o/") && !request.body.is_empty() {
            request.body[0] ^= 1;
        }
        lie(request)
    });
    upload_to(&server, "d", &binary(3, 1000)).problem(503, "unavailable");

    proxy.rule(|_| Deed::Forward);
    let honest = until(&server, "it enforces again", verdict("checksum", "enforced"));
    assert_eq!(honest["facts"]["objects"]["overwrite"], "enforced");
    kept.push((upload_to(&server, "d", &binary(3, 1000)).expect(201), binary(3, 1000)));
    for (document, bytes) in &kept {
        assert!(content_of(&server, document).body == *bytes);
    }
    let (status, log, _place) = server.terminate();
    assert!(status.success());
    let said = |text: &str| log.iter().any(|line| line.contains(text));
    assert!(said("the object store has ceased to enforce what it did"), "{}", log.join("\n"));
}
