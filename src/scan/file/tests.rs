//! A file comes in whatever its scanner does, and is clean only if the scanner had all of it and said so.

use async_trait::async_trait;

use super::super::Signature;
use super::*;

/// Says what it is told to, wherever it is asked.
struct Says {
    begin: Result<(), Unclear>,
    feed: Result<(), Unclear>,
    finish: Result<Finding, Unclear>,
}

struct Saying {
    feed: Result<(), Unclear>,
    finish: Result<Finding, Unclear>,
}

#[async_trait]
impl Scanner for Says {
    async fn begin(&self) -> Result<Box<dyn Scan>, Unclear> {
        self.begin.clone()?;
        Ok(Box::new(Saying { feed: self.feed.clone(), finish: self.finish.clone() }))
    }

    async fn ping(&self) -> Result<(), Unclear> {
        self.begin.clone()
    }
}

#[async_trait]
impl Scan for Saying {
    async fn feed(&mut self, _piece: &[u8]) -> Result<(), Unclear> {
        self.feed.clone()
    }

    async fn finish(self: Box<Self>) -> Result<Finding, Unclear> {
        self.finish
    }
}

async fn verdict(scanning: &Scanning, size: usize) -> Verdict {
    let mut scan = scanning.begin();
    for piece in vec![7; size].chunks(10) {
        scan.feed(piece).await;
    }
    scan.finish().await
}

fn by(begin: Result<(), Unclear>, feed: Result<(), Unclear>, finish: Result<Finding, Unclear>) -> Scanning {
    Scanning::by(Arc::new(Says { begin, feed, finish }), 100).unwrap()
}

#[tokio::test]
async fn only_a_scanner_that_had_all_of_it_and_says_so_makes_a_file_clean() {
    let clean = || Ok(Finding::Nothing);
    assert_eq!(verdict(&by(Ok(()), Ok(()), clean()), 100).await, Verdict::Clean);
    let signature = Signature::try_from("Test.A".to_owned()).unwrap();
    let found = Ok(Finding::Found(signature.clone()));
    assert_eq!(verdict(&by(Ok(()), Ok(()), found), 50).await, Verdict::Infected(signature));
    for (scanning, size, why) in [
        (by(Err(Unclear::Failed), Ok(()), clean()), 50, Unclear::Failed),
        (by(Ok(()), Err(Unclear::Cut), clean()), 50, Unclear::Cut),
        (by(Ok(()), Ok(()), Err(Unclear::Garbage)), 50, Unclear::Garbage),
        (by(Ok(()), Ok(()), clean()), 101, Unclear::TooLarge),
        (by(Ok(()), Ok(()), clean()), 0, Unclear::Cut),
    ] {
        assert_eq!(verdict(&scanning, size).await, Verdict::Unclear(why));
    }
    assert_eq!(verdict(&Scanning::off(), 50).await, Verdict::NotScanned);
}

#[tokio::test]
async fn verdicts_are_counted_and_nothing_else() {
    let scanning = by(Ok(()), Ok(()), Ok(Finding::Nothing));
    for size in [1, 2, 101] {
        verdict(&scanning, size).await;
    }
    drop(scanning.begin());
    let registry = Registry::new();
    scanning.register(&registry).unwrap();
    let counted: Vec<_> = registry.gather()[0]
        .get_metric()
        .iter()
        .map(|line| (line.get_label()[0].value().to_owned(), line.get_counter().get_value()))
        .collect();
    let expected = [("clean", 2.0), ("infected", 0.0), ("unclear", 1.0)];
    assert_eq!(counted, expected.map(|(verdict, count)| (verdict.to_owned(), count)));
}
