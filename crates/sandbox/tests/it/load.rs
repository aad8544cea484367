//! How much the sandbox carries. Run with `cargo test -p sandbox --release -- --ignored load`.

use std::time::Instant;

use http::Method;
use sandbox::{Options, Sandbox, Scenario};
use serde_json::{Value, json};

use crate::{
    bench::call_body,
    web::{Receiver, Web},
};

/// Sender, sandbox and receiver share the machine, so the figure is a lower bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, of use in release builds only"]
async fn two_thousand_calls_a_second_with_four_callbacks_each() {
    const CALLS: usize = 20_000;
    const SENDERS: usize = 32;
    let change = json!({
        "calls_per_second": 1_000_000, "concurrency": 1_000_000, "queue_seconds": [0, 1],
        "answer_rate": 1, "invalid_rate": 0
    });
    let scenario = Scenario::default().changed_by(&change).unwrap();
    let options = Options {
        seed: 1,
        time_scale: 100.0,
        scenario,
    };
    let sandbox = Sandbox::start(options).await.unwrap();
    let receiver = Receiver::start(0).await;
    let web = Web::new(sandbox.base_url());
    #[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
    let started = Instant::now();
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        let (web, url) = (web.clone(), receiver.url());
        senders.spawn(async move {
            for n in (sender..CALLS).step_by(SENDERS) {
                let mut body = call_body(&format!("+1415{n:07}"));
                body["assistantOverrides"]["server"]["url"] = json!(url);
                body["assistantOverrides"]["serverMessages"] = Value::Null;
                body["assistantOverrides"]
                    .as_object_mut()
                    .unwrap()
                    .remove("serverMessages");
                web.json(Method::POST, "/vapi/call", Some(&body)).await;
            }
        });
    }
    senders.join_all().await;
    let created = started.elapsed().as_secs_f64();
    receiver.wait_until(4 * CALLS).await;
    let all = started.elapsed().as_secs_f64();
    let (calls, callbacks) = (20_000.0 / created, 80_000.0 / all);
    assert!(
        calls > 2_000.0 && callbacks > 8_000.0,
        "{calls:.0} calls/s, {callbacks:.0} callbacks/s"
    );
}
