//! Two tenants act at random on one server, each with its own ids and the other's mixed. No answer
//! tells anything of the other; and each tenant is answered, to the byte, what it is answered by a
//! server on which it is alone. There the other's ids are ids that nobody has.

use std::time::Duration;

use domain::ambient::Clock;
use serde_json::json;
use store::Store;

use super::actions::Walker;
use super::dice::Dice;
use super::world::tick;
use crate::support::{Server, global};

/// Requests of one walk, by both tenants.
const STEPS: usize = 1_000;
const WORDS: [&str; 2] = ["alphacanary", "betacanary"];
const AREAS: [&str; 2] = ["+1628555", "+1646555"];

#[tokio::test]
async fn random_walks_of_two_tenants_do_not_touch_even_seeds() {
    for seed in [2, 4, 6, 8, 10] {
        compare(seed).await;
    }
}

#[tokio::test]
async fn random_walks_of_two_tenants_do_not_touch_odd_seeds() {
    for seed in [1, 3, 5, 7, 9] {
        compare(seed).await;
    }
}

async fn compare(seed: u64) {
    let together = walk(seed, &[0, 1]).await;
    let lines = together.iter().flat_map(|walker| &walker.answers);
    let events = lines.filter(|line| line.starts_with("event ")).count();
    let answered: usize = together.iter().map(|walker| walker.answers.len()).sum();
    assert_eq!(answered, STEPS + events);
    assert!(events > STEPS / 20, "seed {seed}: {events} events only");
    let successes = together
        .iter()
        .map(|walker| walker.successes)
        .sum::<usize>();
    assert!(
        successes * 3 > STEPS,
        "seed {seed}: {successes} successes only: the walk tries nothing"
    );
    for (index, walker) in together.iter().enumerate() {
        let alone = walk(seed, &[index]).await;
        assert_eq!(walker.answers.len(), alone[index].answers.len());
        let pairs = walker.answers.iter().zip(&alone[index].answers);
        for (step, (together, alone)) in pairs.enumerate() {
            assert_eq!(
                together, alone,
                "seed {seed}: request {step} of {} is answered otherwise beside another tenant",
                walker.word
            );
        }
    }
}

/// The walk of a seed, in which only these tenants act. Time and the dialer go on as they would.
async fn walk(seed: u64, acting: &[usize]) -> Vec<Walker> {
    let server = Server::with(|options| {
        options.public_url = Some("https://campanile.example.com".to_owned());
    })
    .await;
    let mut walkers = Vec::new();
    for index in 0..2 {
        let seed = seed * 2 + index as u64;
        walkers.push(Walker::new(&server, WORDS[index], AREAS[index], seed).await);
    }
    let mut dice = Dice::new(seed);
    for _ in 0..STEPS {
        server.clock.advance(Duration::from_secs(dice.below(90)));
        if dice.one_in(6) {
            dial(&server, &mut walkers).await;
        }
        let actor = usize::from(dice.one_in(2));
        if !acting.contains(&actor) {
            continue;
        }
        let (first, second) = walkers.split_at_mut(1);
        let (walker, other) = match actor {
            0 => (&mut first[0], &second[0]),
            _ => (&mut second[0], &first[0]),
        };
        walker.step(&server, other).await;
    }
    for index in 0..2 {
        let feed = feed(&server, &walkers[index], &walkers[1 - index]).await;
        walkers[index].answers.extend(feed);
    }
    walkers
}

/// The tenant's events as it may be told them, and that none is about the other.
async fn feed(server: &Server, walker: &Walker, other: &Walker) -> Vec<String> {
    let mut feed = Vec::new();
    loop {
        let after = i64::try_from(feed.len()).unwrap();
        let events = server.store.list_events(walker.tenant_id, after, 1_000);
        let events = events.await.unwrap();
        if events.is_empty() {
            return feed;
        }
        for event in events {
            assert_eq!(event.sequence, i64::try_from(feed.len()).unwrap() + 1);
            let about = [
                event
                    .campaign_id
                    .map(|id| global("VoiceCampaign", id.raw())),
                event
                    .lead_id
                    .map(|id| global("VoiceCampaignLead", id.raw())),
                event.attempt_id.map(|id| global("VoiceCall", id.raw())),
            ];
            let told = json!([event.kind, event.data, about]).to_string();
            assert_eq!(other.told(told.as_bytes(), ""), None, "{told}");
            let (kind, data, at) = (event.kind, event.data, event.created_at);
            feed.push(format!("event {kind} {data} {at}"));
        }
    }
}

/// What happens in the background of a server.
async fn dial(server: &Server, walkers: &mut [Walker]) {
    let now = server.clock.now();
    while server.store.run_imports(now, 1_000).await.unwrap() {}
    let dispatches = tick(server).await;
    for walker in walkers {
        let mine = dispatches
            .iter()
            .filter(|dispatch| dispatch.tenant_id == walker.tenant_id);
        walker
            .attempt_keys
            .extend(mine.map(|dispatch| dispatch.attempt_key.clone()));
    }
}
