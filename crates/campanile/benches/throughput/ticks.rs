//! What planning costs when there is much to plan: the store's own tick, in this process, on
//! databases made through the store's own operations.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::campaign::{CampaignCommand, CampaignType};
use domain::settings::{CampaignSettings, SettingsDraft};
use domain::{CampaignId, LineId, PhoneNumber};
use jiff::{SignedDuration, Timestamp};
use store::{
    Caller, CampaignOrder, LeadFields, NewCampaign, NewLead, NewLine, OnDuplicate, Precondition,
    Store, Tick, Written,
};
use store_sqlite::{Access, Options, SqliteStore};

use crate::Figure;
use crate::numbers::{median, percentile};

const LINES: usize = 10;
/// Calls per second of each line.
const RATE: u32 = 50;
/// Ticks that are measured.
pub(crate) const TICKS: i32 = 60;
/// A tick looks this far ahead, so that a dialer under load ticks about so often.
const STEP: SignedDuration = SignedDuration::from_millis(200);

/// How much there is to plan.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) campaigns: usize,
    pub(crate) leads: usize,
}

/// What the ticks of one size cost.
pub(crate) struct Cost {
    /// Sorted.
    pub(crate) per_tick: Vec<Duration>,
    pub(crate) calls: usize,
    pub(crate) built: Duration,
}

/// The size that others are compared to.
pub(crate) const SMALL: Size = Size {
    campaigns: 10,
    leads: 10_000,
};

/// Both sizes one after the other, with the same number of calls a tick.
pub(crate) async fn measure(name: &'static str, big: Size) -> Vec<Figure> {
    let (small, _) = run(SMALL).await;
    let (big, mib) = run(big).await;
    let mean =
        |cost: &Cost| cost.per_tick.iter().sum::<Duration>().as_secs_f64() * 1e3 / f64::from(TICKS);
    let median = |cost: &Cost| {
        median(
            cost.per_tick
                .iter()
                .map(|took| took.as_secs_f64() * 1e3)
                .collect(),
        )
    };
    let worst = |cost: &Cost| percentile(&cost.per_tick, 99).as_secs_f64() * 1e3;
    let ratio = median(&big) / median(&small);
    vec![Figure {
        name,
        measured: format!(
            "median {:.1} ms, mean {:.1} ms, p99 {:.1} ms a tick ({} calls)",
            median(&big),
            mean(&big),
            worst(&big),
            big.calls
        ),
        beside: format!(
            "10 campaigns × 10,000 leads: median {:.1} ms, mean {:.1} ms, p99 {:.1} ms ({} calls), ratio of means {:.2}; made in {:.0} s, {:.0} MiB on disk",
            median(&small),
            mean(&small),
            worst(&small),
            small.calls,
            mean(&big) / mean(&small),
            big.built.as_secs_f64(),
            mib
        ),
        ratio: Some(ratio),
        target: "ratio of medians ≤ 2",
        met: Some(ratio <= 2.0),
    }]
}

/// The ticks on a fresh file, and its size when they begin, MiB.
async fn run(size: Size) -> (Cost, f64) {
    let directory = tempfile::tempdir_in(crate::machine::DISK).unwrap();
    let path = directory.path().join("ticks.db");
    let store: Arc<dyn Store> = Arc::new(open(&path));
    let began = Instant::now();
    let started_at = build(&store, size).await;
    let built = began.elapsed();
    let mib = std::fs::metadata(&path).unwrap().len() as f64 / (1024.0 * 1024.0);
    (tick(&*store, started_at, 0..TICKS, built).await, mib)
}

/// Ticks from the start of the last campaign on, those of these numbers.
pub(crate) async fn tick(
    store: &dyn Store,
    started_at: Timestamp,
    numbers: Range<i32>,
    built: Duration,
) -> Cost {
    let mut cost = Cost {
        per_tick: Vec::new(),
        calls: 0,
        built,
    };
    for tick in numbers {
        let now = started_at + STEP * (tick + 1);
        let mut call = 0;
        let keys = Box::new(move || {
            call += 1;
            format!("att_{tick}_{call}")
        });
        let began = Instant::now();
        let ticked = store
            .tick(Tick {
                now,
                keys,
                max_lines: 64,
                max_calls: 512,
            })
            .await
            .unwrap();
        cost.per_tick.push(began.elapsed());
        cost.calls += ticked.dispatches.len();
    }
    cost.per_tick.sort_unstable();
    cost
}

fn open(path: &Path) -> SqliteStore {
    let options = Options {
        access: Access::Owner,
        readers: 1,
        patience_of: lines::patience_of,
        reserve_bytes: 0,
        on_failed_sync: |error| panic!("{error}"),
    };
    SqliteStore::open(path, options).unwrap()
}

fn fresh<T>(written: Written<T>) -> T {
    match written {
        Written::Fresh(made) => made,
        Written::Replayed(_) => panic!("no key was given"),
    }
}

/// Running campaigns with leads that are all due. Answers when the last one was started.
pub(crate) async fn build(store: &Arc<dyn Store>, size: Size) -> Timestamp {
    let now = Timestamp::from_second(1_790_000_000).unwrap();
    let tenant = store.ensure_tenant("bench", now).await.unwrap();
    let caller = Caller {
        tenant_id: tenant.tenant_id,
        token_id: None,
        now,
    };
    let mut lines = Vec::new();
    for line in 0..LINES {
        let made = store.create_line(caller, new_line(line), None).await;
        lines.push(fresh(made.unwrap()).line_id);
    }
    let each = size.leads / size.campaigns;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..64 {
        let (store, lines) = (Arc::clone(store), lines.clone());
        tasks.spawn(async move {
            for campaign in (worker..size.campaigns).step_by(64) {
                make_campaign(
                    &*store,
                    caller,
                    lines[campaign % LINES],
                    campaign * each,
                    each,
                )
                .await;
            }
        });
    }
    // One import is worked off while others are queued.
    while !tasks.is_empty() {
        tokio::select! {
            done = tasks.join_next() => if let Some(done) = done { done.unwrap(); },
            more = store.run_imports(now, 2_000) => { more.unwrap(); },
        }
    }
    while store.run_imports(now, 10_000).await.unwrap() {}
    now
}

async fn make_campaign(
    store: &dyn Store,
    caller: Caller,
    line_id: LineId,
    first_lead: usize,
    leads: usize,
) {
    let draft = draft(line_id);
    let settings = CampaignSettings::parse(CampaignType::Outbound, &draft).unwrap();
    let campaign = NewCampaign {
        kind: CampaignType::Outbound,
        draft,
        settings: Arc::new(settings),
        unverified: false,
        leads_of: None,
    };
    let made = store.create_campaign(caller, campaign, None).await.unwrap();
    let campaign_id = fresh(made).campaign_id;
    let all: Vec<usize> = (first_lead..first_lead + leads).collect();
    for chunk in all.chunks(10_000) {
        let leads = chunk.iter().map(|number| new_lead(*number)).collect();
        store
            .queue_leads(caller, campaign_id, leads, OnDuplicate::Skip, None)
            .await
            .unwrap();
    }
    start(store, caller, campaign_id).await;
}

async fn start(store: &dyn Store, caller: Caller, campaign_id: CampaignId) {
    let order = CampaignOrder {
        campaign_id,
        command: CampaignCommand::Start,
        precondition: Precondition::None,
    };
    store.order_campaign(caller, order, None).await.unwrap();
}

fn new_lead(number: usize) -> NewLead {
    let phone = PhoneNumber::parse(&format!("+1{:010}", 2_000_000_000 + number)).unwrap();
    let fields = LeadFields {
        first_name: Some("Ann".to_owned()),
        ..LeadFields::default()
    };
    NewLead::new(phone, fields)
}

fn new_line(number: usize) -> NewLine {
    NewLine {
        provider: "VAPI".to_owned(),
        name: format!("line {number}"),
        base_url: None,
        sealed_credentials: Vec::new(),
        sealed_webhook_secret: Vec::new(),
        line_key: format!("line-{number}"),
        max_concurrent_calls: 100_000,
        max_calls_per_second: RATE,
    }
}

fn draft(line_id: LineId) -> SettingsDraft {
    let days = [
        "MONDAY",
        "TUESDAY",
        "WEDNESDAY",
        "THURSDAY",
        "FRIDAY",
        "SATURDAY",
        "SUNDAY",
    ];
    SettingsDraft {
        name: Some("bench".to_owned()),
        assistant_id: Some("asst_abc123".to_owned()),
        tenant_voice_provider_id: Some(line_id.raw()),
        dialer_type: Some("SINGLE".to_owned()),
        phone_number_id: Some("pn_abc123".to_owned()),
        start_date: Some("2020-01-01".to_owned()),
        timezone: Some("UTC".to_owned()),
        days_of_week: Some(days.map(str::to_owned).to_vec()),
        daily_start_time: Some("00:00".to_owned()),
        daily_end_time: Some("24:00".to_owned()),
        max_call_attempts: Some(3),
        max_daily_attempts: Some(3),
        min_gap_between_attempts: Some(3),
        ..SettingsDraft::default()
    }
}
