//! Facts on their way to the store: grouped, and kept until the store takes them.

use std::time::Duration;

use store::{AttemptFact, SendPermit};
use tokio::sync::mpsc;

use crate::core::Core;

/// Most facts in one transaction.
const MAX_GROUP: usize = 512;
/// Pause before facts are offered to a store that could not take them.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Facts with the permits that are given back when they are durable.
pub(crate) type Told = (Vec<AttemptFact>, Option<SendPermit>);

/// Stores what comes in until the senders are gone. Nothing is dropped while the process lives.
pub(crate) async fn run(core: Core, mut incoming: mpsc::Receiver<Told>) {
    let mut group = Vec::new();
    while incoming.recv_many(&mut group, MAX_GROUP).await > 0 {
        let (facts, permits): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        store_all(&core, facts.into_iter().flatten().collect()).await;
        drop(permits);
    }
}

async fn store_all(core: &Core, facts: Vec<AttemptFact>) {
    if store_group(core, &facts).await {
        return;
    }
    // One bad fact must not hold the others: each goes alone.
    for fact in facts {
        if !store_group(core, &[fact]).await {
            tracing::error!("a fact cannot be stored; its call will be looked up");
        }
    }
}

/// Offers the facts until the store takes them; false when it never will.
async fn store_group(core: &Core, facts: &[AttemptFact]) -> bool {
    loop {
        match core.record(facts.to_vec()).await {
            Ok(()) => return true,
            Err(error) if error.is_retryable() => {
                tracing::warn!(error = %error, facts = facts.len(), "facts wait for the database");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => {
                tracing::error!(error = %error, facts = facts.len(), "facts cannot be stored");
                return false;
            }
        }
    }
}
