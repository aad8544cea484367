//! Everything that a user or the dialer can see of a store, as lines of text.

use std::fmt::Debug;

use domain::{CampaignId, TenantId};
use jiff::Timestamp;
use store::{CallFilter, CampaignFilter, Gap, HoldStatus, LeadFilter, PageRequest, StoreResult};

use super::side::Side;
use super::steps::hash_of_step;

/// Events that are read at once.
const EVENTS: u32 = 200;

/// Calls that are read one by one, with everything they left behind.
const CALLS_ALONE: usize = 12;

/// What is seen, with the store's own ids.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    fn put<T: Debug>(&mut self, of: impl Debug, read: StoreResult<T>) {
        self.0.push(match read {
            Ok(read) => format!("{of:?}: {read:?}"),
            Err(error) => format!("{of:?}: refused, {error:?}"),
        });
    }
}

/// Puts every object of a list on a line of its own, and answers them.
macro_rules! list {
    ($seen:expr, $of:expr, |$page:ident| $read:expr) => {{
        let (mut before, mut items) = (None, Vec::new());
        loop {
            let $page = PageRequest { limit: 200, before };
            match $read.await {
                Ok(page) => {
                    before = page.next;
                    items.extend(page.items);
                }
                Err(error) => $seen.put::<()>($of, Err(error)),
            }
            if before.is_none() {
                break;
            }
        }
        for item in &items {
            $seen.0.push(format!("{}: {item:?}", $of));
        }
        items
    }};
}

/// All that is seen now, each id by its name. Of the feed, what is new.
pub(crate) async fn observe(side: &mut Side, now: Timestamp, steps: usize) -> Vec<String> {
    let mut seen = Seen::default();
    let tenants = list!(seen, "tenant", |page| side.store().list_tenants(page));
    for tenant in tenants.iter().rev() {
        feed(side, &mut seen, tenant.tenant_id).await;
        own(side, &mut seen, tenant.tenant_id, now).await;
    }
    server(side, &mut seen, steps).await;
    seen.0.iter().map(|line| side.names.rename(line)).collect()
}

async fn feed(side: &mut Side, seen: &mut Seen, tenant_id: TenantId) {
    let mut after = side.told.get(&tenant_id).copied().unwrap_or_default();
    loop {
        let events = match side.store().list_events(tenant_id, after, EVENTS).await {
            Ok(events) => events,
            Err(error) => return seen.put::<()>("feed", Err(error)),
        };
        for event in &events {
            seen.0.push(format!("event: {event:?}"));
        }
        let Some(last) = events.last() else { break };
        after = last.sequence;
    }
    side.told.insert(tenant_id, after);
}

async fn own(side: &Side, seen: &mut Seen, tenant_id: TenantId, now: Timestamp) {
    let store = side.store();
    seen.put("tenant alone", store.get_tenant(tenant_id).await);
    list!(seen, "token", |page| store.list_tokens(tenant_id, page));
    let lines = list!(seen, "line", |page| store.list_lines(tenant_id, page));
    for line in &lines {
        seen.put(
            "line for dialing",
            store.line_for_dialing(line.line_id).await,
        );
        seen.put("line by key", store.line_by_key(&line.line_key).await);
    }
    let pools = list!(seen, "pool", |page| store.list_pools(tenant_id, page));
    for pool in &pools {
        let health = store.pool_health(tenant_id, pool.pool_id, now).await;
        seen.put("health of a pool", health);
    }
    let all = CampaignFilter::default();
    let campaigns = list!(seen, "campaign", |page| store.list_campaigns(
        tenant_id,
        all.clone(),
        page
    ));
    for campaign in &campaigns {
        of_campaign(side, seen, tenant_id, campaign.campaign_id, now).await;
    }
    let all = CallFilter::default();
    let calls = list!(seen, "call", |page| store.list_calls(
        tenant_id,
        all.clone(),
        page
    ));
    for call in calls.iter().take(CALLS_ALONE) {
        seen.put(
            "call alone",
            store.get_call(tenant_id, call.attempt_id).await,
        );
    }
    for import in &side.known.imports {
        seen.put("import", store.get_import(tenant_id, import.id).await);
    }
}

async fn of_campaign(
    side: &Side,
    seen: &mut Seen,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    now: Timestamp,
) {
    let store = side.store();
    seen.put(
        "campaign alone",
        store.get_campaign(tenant_id, campaign_id).await,
    );
    list!(seen, "revision", |page| store.list_revisions(
        tenant_id,
        campaign_id,
        page
    ));
    let all = LeadFilter::default();
    list!(seen, "lead", |page| {
        store.list_leads(tenant_id, campaign_id, all.clone(), page, now)
    });
}

/// The marker is the back end's own: a count of ticks here, an id there, where it begins with a
/// reservation and not with what follows it. So is what it remembers last, from which a gap begins.
pub(crate) fn comparable(status: HoldStatus) -> HoldStatus {
    let ends = status.gaps.iter().map(|gap| gap.until);
    HoldStatus {
        marker: None,
        gaps: ends.map(|until| Gap { from: until, until }).collect(),
        ..status
    }
}

async fn server(side: &Side, seen: &mut Seen, steps: usize) {
    let store = side.store();
    seen.put("hold", store.hold_status().await.map(comparable));
    seen.put("gauges", store.gauges().await);
    seen.put("next look-up", store.next_check_at().await);
    seen.put("whether there are tokens", store.has_tokens().await);
    for step in 0..steps {
        let found = store.find_token(&hash_of_step(step)).await;
        if !matches!(found, Ok(None)) {
            seen.put("token by its hash", found);
        }
    }
    let leads: Vec<_> = side
        .known
        .leads
        .iter()
        .map(|(_, lead_id)| *lead_id)
        .collect();
    seen.put("payloads", store.lead_payloads(leads).await);
    let keys = side.known.attempts.iter().map(|known| known.key.clone());
    seen.put(
        "unknown keys",
        store.unknown_attempt_keys(keys.collect()).await,
    );
    seen.put("calls on the board", Ok(store.send_board().len()));
}
